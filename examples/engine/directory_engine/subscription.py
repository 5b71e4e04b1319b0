"""Takes messages from one queue. All that touches files happens in the engine's thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from batonmq.engines.forks import FORKED
from batonmq.engines.futures import Future, resolved
from batonmq.engines.interface import How, Subscription
from batonmq.engines.receives import Receive
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, Closed, LeaseLost, StoreError
from directory_engine.files import Held, QueueFiles

__all__ = ["DirectorySubscription"]

# Puts work before the engine's thread.
Do = Callable[[Callable[[], None]], Future[None]]


class DirectorySubscription(Subscription):
    """``look`` is called again and again by the engine's thread, while somebody waits."""

    def __init__(
        self, files: QueueFiles, prefetch: int, do: Do, forget: Callable[[DirectorySubscription], None]
    ) -> None:
        self._files = files
        self._prefetch = prefetch
        self._do = do
        self._forget = forget
        self._lock = threading.Lock()
        self._waiting: list[Receive] = []
        self._held: dict[int, Held] = {}
        self._numbers = 0
        self._closing: Future[None] | None = None
        self._is_forked = False

    @property
    def is_wanted(self) -> bool:
        """Does anybody wait, who may have more?"""
        return bool(self._waiting) and len(self._held) < self._prefetch

    def receive(self, most: int) -> Future[list[Incoming]]:
        receive = Receive(most)
        with self._lock:
            if self._closing is not None:
                receive.fail(Closed("the receiver was closed"))
                return receive
            self._waiting.append(receive)
        work = self._do(self.look)
        # The engine may be closed, or be its parent's.
        work.when_done(lambda: receive.fail(work.error) if work.error is not None else None)
        return receive

    def withdraw(self, future: Future[list[Incoming]]) -> None:
        with self._lock:
            self._waiting = [receive for receive in self._waiting if receive is not future]
        future.resolve([])

    def look(self) -> None:
        """Give those who wait what there is, one after another."""
        while self.is_wanted:
            receive = self._waiting[0]
            try:
                taken = self._files.take(min(receive.most, self._prefetch - len(self._held)))
            except (BatonError, OSError) as error:
                with self._lock:
                    waiting, self._waiting = self._waiting, []
                for receive in waiting:
                    receive.fail(error if isinstance(error, BatonError) else StoreError(str(error)))
                return
            if not taken:
                return
            with self._lock:
                # Nobody may want it any more.
                is_wanted = receive in self._waiting and self._closing is None
                if is_wanted:
                    self._waiting.remove(receive)
                incoming = [self._incoming(held) for held in taken] if is_wanted else []
            if is_wanted:
                receive.resolve(incoming)
            else:
                for held in taken:
                    self._files.put_back(held)

    def _incoming(self, held: Held) -> Incoming:
        self._numbers += 1
        self._held[self._numbers] = held
        return Incoming(held.message, held.count, held.count > 1, self._numbers)

    def settle(self, incoming: Incoming, how: How, reason: str = "", delay: float | None = None) -> None:
        number = incoming.handle
        with self._lock:
            held = self._held.pop(number, None) if isinstance(number, int) else None
        if self._is_forked:
            raise Closed(FORKED)
        if held is None:
            raise LeaseLost("the message is not held here any more")
        files = self._files
        if how == "accept":
            self._do(lambda: files.accept(held))
        elif how == "release":
            self._do(lambda: files.release(held))
        else:
            self._do(lambda: files.reject(held, reason))

    def close(self) -> Future[None]:
        return self.end()

    def end(self, error: BatonError | None = None) -> Future[None]:
        """Give back what is held. Those who wait get nothing, or are told of the error."""
        with self._lock:
            if self._closing is not None:
                return self._closing
            self._closing = resolved(None)
            if self._is_forked:
                return self._closing
            waiting, self._waiting = self._waiting, []
            held = list(self._held.values())
            self._held.clear()
        for receive in waiting:
            if error is None:
                receive.resolve([])
            else:
                receive.fail(error)
        self._forget(self)

        def give_back() -> None:
            for one in held:
                self._files.release(one)

        self._closing = self._do(give_back)
        return self._closing

    def forked(self) -> None:
        """The parent's locks stay the parent's: they are those of its files, which are open here as well."""
        for held in self._held.values():
            os.close(held.file)
        self._held.clear()
        self._waiting.clear()
        self._lock = threading.Lock()
        self._is_forked = True
