"""The way to whoever has the file: kept open, found anew when it is lost.

    down --(somebody asks)--> seeking --> open --(lost)--> seeking ... --(too long)--> down

One thread seeks and reads. The lock guards everything here and in the subscriptions; no ticket is resolved under it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Protocol

from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.embedded.ownership import InUse
from batonmq.engines.forks import when_forked
from batonmq.engines.shared import wire
from batonmq.engines.shared.calls import AnyCall, Call, as_nothing
from batonmq.engines.shared.opening import Reached, reach
from batonmq.engines.tickets import Ticket
from batonmq.errors import BatonError, Closed, ConnectionLost, LeaseLost

__all__ = ["Caller", "Calls"]

log = logging.getLogger("batonmq.embedded")

# How long an owner is sought before those who wait are told.
RECONNECT_SECONDS = 60.0
# How long an owner has to give back what was held, when this end closes.
GOODBYE_SECONDS = 10.0
LOST = "the process that had the file went before it answered: what was asked for may have been done or not"
NOT_BEGUN = "the process that had the file went: its messages are back in their queues; nothing was sent"


class Caller(Protocol):
    """Somebody who asks anew when there is another owner."""

    def opened(self) -> None:
        """There is one. Under the lock."""

    def lost(self) -> None:
        """What was held is back in its queue. Under the lock."""

    def late(self, tag: int) -> None:
        """A message was held for too long, and is back in its queue. Under the lock."""

    def ended(self, error: BatonError) -> None:
        """There is none, and none comes."""


class Calls:
    """See the module."""

    def __init__(self, path: str, reached: Reached) -> None:
        self.lock = threading.RLock()
        self.callers: dict[int, Caller] = {}
        self._path = path
        self._reached: Reached | None = reached
        # The file is this process's as long as this is open.
        self._own = reached.own
        self._number = 0
        # Asked and not answered, by the number; and what waits for an owner.
        self._asked: dict[int, AnyCall] = {}
        self._waiting: list[AnyCall] = []
        self._is_closed = False
        self._thread: threading.Thread | None = None
        when_forked(self)
        with self.lock:
            self._start()

    @property
    def is_open(self) -> bool:
        """Is there an owner, as far as is known?"""
        return self._reached is not None

    @property
    def own(self) -> object:
        """The broker, when it is in this process; None when it is not."""
        own = self._own
        return None if own is None else own.native

    # ------------------------------------------------------------------ from any thread

    def ask(self, call: AnyCall) -> None:
        """Have it answered, by the next owner if there is none now. Raises Closed, ValueError."""
        with self.lock:
            if self._is_closed:
                raise Closed("the connection was closed")
            if self._reached is None:
                self.seek()
                if call.when_lost != "drop":
                    self._waiting.append(call)
                return
            self._ask(self._reached, call)

    def _ask(self, reached: Reached, call: AnyCall) -> None:
        self._number += 1
        call.command.number = self._number
        reached.link.send(call.command)
        self._asked[self._number] = call

    def tell(self, command: wire.Numbered) -> None:
        """Ask for no answer; when there is no owner, it has no meaning. Under the lock."""
        if self._reached is not None:
            self._reached.link.send(command)

    def drop(self, call: AnyCall) -> None:
        """Nobody wants the answer any more. Under the lock."""
        self._asked.pop(call.command.number, None)
        with contextlib.suppress(ValueError):
            self._waiting.remove(call)

    def seek(self) -> None:
        """Somebody needs an owner. Under the lock. Raises Closed."""
        if self._is_closed:
            raise Closed("the connection was closed")
        if self._thread is None:
            self._start()

    def close(self) -> None:
        """Give everything back, and end the thread. A second call does nothing. Raises StoreError."""
        gone: Ticket[None] = Ticket()
        with self.lock:
            if self._is_closed:
                return
            self._is_closed = True
            thread, reached = self._thread, self._reached
            if reached is not None:
                self._ask(reached, Call(wire.Close(0), gone, as_nothing, "done"))
        if reached is not None:
            gone.wait(GOODBYE_SECONDS)
            reached.link.close()
        if thread is not None:
            thread.join()
        self._end(Closed("the connection was closed"))
        own, self._own = self._own, None
        if own is not None:
            own.close()

    def forked(self) -> None:
        """A child has neither the thread nor the connection."""
        self.lock = threading.RLock()
        self._is_closed = True
        self._reached = None

    # ------------------------------------------------------------------ in the thread

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="batonmq-shared", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while (reached := self._reached or self._seek()) is not None:
                last = self._read(reached)
                reached.link.release()
                self._lose(reached.link.sent if last is None else last)
        except Exception:  # a fault of ours: nobody may wait for a thread that is gone
            log.exception("the connection to the process that has the file has failed")
            self._end(ConnectionLost("the connection to the process that has the file has failed"))

    def _read(self, reached: Reached) -> int | None:
        """Until the owner is gone. The last command that it has begun, if it said so."""
        while (answer := reached.link.read()) is not None:
            if isinstance(answer, wire.Bye):
                return answer.number
            with self.lock:
                if isinstance(answer, wire.Late):
                    caller = self.callers.get(answer.subscription)
                    if caller is not None:
                        caller.late(answer.tag)
                    continue
                call = self._asked.pop(answer.number, None)
            if call is not None:
                call.answered(answer)
        return None

    def _lose(self, last: int) -> None:
        """What is after the last command that may have been begun was not."""
        with self.lock:
            self._reached = None
            asked, self._asked = self._asked, {}
            lost: list[AnyCall] = []
            for number, call in asked.items():
                if call.when_lost == "repeat" or (call.when_lost == "fail" and number > last):
                    self._waiting.append(call)
                elif call.when_lost != "drop":
                    lost.append(call)
            for caller in self.callers.values():
                caller.lost()
            own = None if self._is_closed else self._own
            if own is not None:
                self._own = None
        for call in lost:
            if call.when_lost == "done":
                call.answered(wire.Done(0))
            elif call.command.number > last:
                call.fail(LeaseLost(NOT_BEGUN))
            else:
                call.fail(ConnectionLost(LOST))
        if own is not None:
            self._let_go(own)

    def _seek(self) -> Reached | None:
        """Another owner; None when there is none, or nobody wants one any more."""
        try:
            reached = reach(self._path, RECONNECT_SECONDS, lambda: not self._is_closed)
        except InUse as error:
            self._end(ConnectionLost(str(error)))
            return None
        except BatonError as error:
            self._end(error)
            return None
        with self.lock:
            self._own = reached.own
            if not self._is_closed:
                self._reached = reached
                for caller in list(self.callers.values()):
                    caller.opened()
                waiting, self._waiting = self._waiting, []
                for call in waiting:
                    self._ask(reached, call)
                return reached
        reached.link.close()
        reached.link.release()
        self._end(Closed("the connection was closed"))
        return None

    def _end(self, error: BatonError) -> None:
        """Nobody is waited for any more; whoever asks next has it tried anew."""
        with self.lock:
            self._reached = self._thread = None
            calls = [*self._asked.values(), *self._waiting]
            self._asked, self._waiting = {}, []
            callers, self.callers = list(self.callers.values()), {}
        for call in calls:
            if call.when_lost == "done":
                call.answered(wire.Done(0))
            else:
                call.fail(error)
        for caller in callers:
            caller.ended(error)

    def _let_go(self, own: EmbeddedEngine) -> None:
        try:
            own.close()
        except BatonError as error:
            log.warning("%s could not be closed in order: %s", self._path, error)
