"""Queues in a directory, as an engine of batonmq. One thread does all that touches files."""

from __future__ import annotations

import contextlib
import queue
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from batonmq.engines.forks import FORKED, when_forked
from batonmq.engines.futures import Future
from batonmq.engines.interface import Engine, Subscription
from batonmq.engines.messages import Message
from batonmq.engines.values import Capabilities, Fate, QueueOptions
from batonmq.errors import BatonError, Closed, NotFound, StoreError
from directory_engine.files import QueueFiles
from directory_engine.subscription import DirectorySubscription

__all__ = ["DirectoryEngine", "open_engine"]

T = TypeVar("T")

# Seconds, after which somebody who waits is given what another process has sent.
POLL = 0.02
CLOSED = "the connection is closed"


class DirectoryEngine(Engine):
    """Queues below a directory. ``native`` is its path."""

    system = "directory"
    # Everything else is denied, by the API before it asks, and by the defaults of `Engine`.
    capabilities = Capabilities(
        engine="directory",
        durable=True,
        delivery_count=True,
        max_deliveries=True,
        dead_letter=True,
        reject_reason=True,
        peek=True,
        count=True,
        purge=True,
        replay=True,
    )

    def __init__(self, root: Path) -> None:
        """Raises StoreError when the directory cannot be made."""
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{root} cannot be used: {error.strerror}") from error
        self._root = root
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._subscriptions: list[DirectorySubscription] = []
        self._why_closed = ""
        self._thread = threading.Thread(target=self._run, name="batonmq-directory", daemon=True)
        self._thread.start()
        when_forked(self)

    @property
    def native(self) -> object:
        if self._why_closed:
            raise Closed(self._why_closed)
        return self._root

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while True:
            wanted = [subscription for subscription in list(self._subscriptions) if subscription.is_wanted]
            try:
                work = self._work.get(timeout=POLL if wanted else None)
            except queue.Empty:
                for subscription in wanted:
                    subscription.look()
                continue
            if work is None:
                return
            work()

    def _do(self, call: Callable[[], T]) -> Future[T]:
        future = Future[T]()

        def work() -> None:
            try:
                future.resolve(call())
            except BatonError as error:
                future.fail(error)
            except OSError as error:
                future.fail(StoreError(f"{self._root}: {error}"))

        with self._lock:
            if self._why_closed:
                future.fail(Closed(self._why_closed))
            else:
                self._work.put(work)
        return future

    # ------------------------------------------------------------------ queues

    def _files(self, name: str) -> QueueFiles:
        return QueueFiles(self._root, name)

    def declare(self, queue: str, options: QueueOptions) -> Future[None]:
        def declare() -> None:
            self._files(queue).create(options.max_deliveries, options.dead_letter)
            if options.dead_letter is not None:
                with contextlib.suppress(NotFound):
                    # One that is there stays as it is.
                    _ = self._files(options.dead_letter).settings
                    return
                self._files(options.dead_letter).create(None, None)

        return self._do(declare)

    def fate(self, queue: str) -> Fate | None:
        try:
            settings = self._files(queue).settings
        except NotFound:
            return None
        dead_letter, limit = settings["dead_letter"], settings["max_deliveries"]
        return Fate(dead_letter if isinstance(dead_letter, str) else None, limit if isinstance(limit, int) else None)

    def delete(self, queue: str) -> Future[None]:
        return self._do(self._files(queue).delete)

    def count(self, queue: str) -> Future[int]:
        return self._do(self._files(queue).count)

    def peek(self, queue: str, most: int) -> Future[list[Message]]:
        return self._do(lambda: self._files(queue).peek(most))

    def purge(self, queue: str) -> Future[int]:
        return self._do(self._files(queue).purge)

    def move(self, source: str, target: str, most: int) -> Future[int]:
        return self._do(lambda: self._files(source).move(self._files(target), most))

    # ------------------------------------------------------------------ messages

    def send(self, queue: str, messages: Sequence[Message]) -> Future[None]:
        return self._do(lambda: self._files(queue).send(messages))

    def subscribe(self, queue: str, prefetch: int, lease: float | None = None) -> Future[Subscription]:
        def subscribe() -> Subscription:
            files = self._files(queue)
            # Raises NotFound; what ended its process too often goes to the dead letters.
            files.take(0)
            subscription = DirectorySubscription(files, prefetch, self._do, self._forget)
            with self._lock:
                self._subscriptions.append(subscription)
            return subscription

        return self._do(subscribe)

    def _forget(self, subscription: DirectorySubscription) -> None:
        with self._lock:
            self._subscriptions = [other for other in self._subscriptions if other is not subscription]

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        for subscription in list(self._subscriptions):
            subscription.end(Closed(CLOSED))
        with self._lock:
            if self._why_closed:
                return
            self._why_closed = CLOSED
            self._work.put(None)
        self._thread.join()

    def forked(self) -> None:
        """The thread is the parent's, and so is what it holds."""
        self._lock = threading.Lock()
        self._why_closed = FORKED
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            subscription.forked()


def open_engine(url: str, ssl_context: ssl.SSLContext | None) -> Engine:
    """The queues at ``directory:/path``."""
    path = unquote(url.partition(":")[2])
    if not path or ssl_context is not None:
        raise ValueError(f"{url!r}: expected directory:/path, without TLS")
    return DirectoryEngine(Path(path).absolute())
