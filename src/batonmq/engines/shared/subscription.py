"""A subscription with the owner of the file, and with the next owners."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from batonmq.engines.futures import Future
from batonmq.engines.interface import How, Subscription
from batonmq.engines.leases import lost, lost_by_transaction, lost_with
from batonmq.engines.shared import answers, commands, wire
from batonmq.engines.shared.calls import Call, WhenLost, another_answer, as_nothing, not_understood
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, Closed

if TYPE_CHECKING:
    from batonmq.engines.shared.calling import Calls

__all__ = ["SharedSubscription"]


class Hold(NamedTuple):
    """A held message, as the next owner is told of it."""

    row: int
    deliveries: int
    # When its lease ends, in monotonic seconds.
    until: float | None


class Wait:
    """A call of ``receive``, which goes on waiting when the owner changes."""

    __slots__ = ("_subscription", "command", "future", "is_withdrawn")

    def __init__(self, subscription: SharedSubscription, most: int) -> None:
        self.command = commands.Receive(0, subscription.number, most)
        self.future: Future[list[Incoming]] = Future()
        # Was the owner told of the withdrawal? Then it answers, or is gone.
        self.is_withdrawn = False
        self._subscription = subscription

    def withdraw(self) -> None:
        """Note that the owner is told of the withdrawal."""
        self.is_withdrawn = True

    @property
    def when_lost(self) -> WhenLost:
        """A withdrawn call need not go to the next owner."""
        return "over" if self.is_withdrawn else "again"

    def answered(self, answer: answers.Answer) -> None:
        """Resolve the future with an answer."""
        if isinstance(answer, answers.Arrived):
            self._subscription.arrived(self, answer)
        elif isinstance(answer, answers.Failed):
            self.fail(wire.error_from(answer))
        elif isinstance(answer, answers.Done):
            self._subscription.forget(self)
            self.future.resolve([])
        else:
            self.fail(not_understood(another_answer(answer)))

    def fail(self, error: BaseException) -> None:
        """Fail the future: no answer comes."""
        self._subscription.forget(self)
        self.future.fail(error)


class SharedSubscription(Subscription):
    """A subscription that survives a change of owner. The lock of the calls guards it."""

    __slots__ = (
        "_calls",
        "_closing",
        "_error",
        "_held",
        "_is_known",
        "_last_tag",
        "_lease",
        "_prefetch",
        "_queue",
        "_waits",
        "number",
        "subscribed",
    )

    def __init__(self, calls: Calls, number: int, queue: str, prefetch: int, lease: float | None) -> None:
        self.number = number
        self.subscribed: Future[None] = Future()
        self._calls = calls
        self._queue = queue
        self._prefetch = prefetch
        self._lease = lease
        # Has an owner accepted it? Then the next one is told of it.
        self._is_known = False
        # By tag, which stays the same when another owner restores the hold.
        self._held: dict[int, Hold] = {}
        self._last_tag = 0
        self._waits: dict[Future[list[Incoming]], Wait] = {}
        self._error: BatonError | None = None
        self._closing: Future[None] | None = None

    def begin(self) -> None:
        """Subscribe; ``subscribed`` gets the outcome. Raises Closed."""
        asked: Future[None] = Future()
        command = commands.Subscribe(0, self.number, self._queue, self._prefetch, self._lease)
        with self._calls.lock:
            self._calls.ask(Call(command, asked, as_nothing, "again"))
            self._calls.add_caller(self.number, self)
        asked.when_done(lambda: self._subscribed(asked))

    def _subscribed(self, asked: Future[None]) -> None:
        error = asked.error
        with self._calls.lock:
            if error is None:
                self._is_known = True
            else:
                self._calls.remove_caller(self.number)
        if error is None:
            self.subscribed.resolve(None)
        elif isinstance(error, BatonError):
            self.ended(error)
        else:
            self.subscribed.fail(error)

    # ------------------------------------------------------------------ what the API asks

    def receive(self, most: int) -> Future[list[Incoming]]:
        wait = Wait(self, most)
        with self._calls.lock:
            if self._error is None:
                self._waits[wait.future] = wait
                try:
                    self._calls.ask(wait)
                except BatonError:
                    del self._waits[wait.future]
                    raise
                return wait.future
        wait.future.fail(self._error)
        return wait.future

    def withdraw(self, future: Future[list[Incoming]]) -> None:
        with self._calls.lock:
            wait = self._waits.get(future)
            if wait is None:
                return
            if self._calls.is_open:
                wait.withdraw()
                self._calls.tell(commands.Withdraw(0, wait.command.number))
                return
            # No owner knows the call.
            del self._waits[future]
            self._calls.drop(wait)
        future.resolve([])

    def settle(self, incoming: Incoming, how: How, reason: str = "", delay: float | None = None) -> Future[None] | None:
        tag = incoming.handle
        with self._calls.lock:
            hold = self._hold_of(incoming)
            del self._held[tag]  # type: ignore[arg-type]
            command = commands.Settle(0, self.number, tag, how, reason, delay)  # type: ignore[arg-type]
            return self._calls.settle(command, self._queue, hold.row, hold.deliveries)

    def _hold_of(self, incoming: Incoming) -> Hold:
        try:
            self._calls.require_open()
        except Closed as error:
            raise lost_with(error) from None
        hold = self._held.get(incoming.handle)  # type: ignore[call-overload]
        if hold is None:
            raise lost()
        return hold  # type: ignore[no-any-return]

    def renew(self, incoming: Incoming, seconds: float) -> Future[None]:
        tag = incoming.handle
        assert isinstance(tag, int)
        asked: Future[None] = Future()
        future: Future[None] = Future()
        with self._calls.lock:
            self._hold_of(incoming)
            self._calls.ask(Call(commands.Renew(0, self.number, tag, seconds), asked, as_nothing, "again"))

        def then() -> None:
            if asked.error is not None:
                future.fail(asked.error)
                return
            with self._calls.lock:
                hold = self._held.get(tag)
                if hold is not None:
                    self._held[tag] = hold._replace(until=time.monotonic() + seconds)
            future.resolve(None)

        asked.when_done(then, owed=future)
        return future

    def report(self, incoming: Incoming, fraction: float, note: str) -> None:
        tag = incoming.handle
        with self._calls.lock:
            if tag in self._held:
                assert isinstance(tag, int)
                self._calls.tell(commands.Report(0, self.number, tag, fraction, note))

    def close(self) -> Future[None]:
        with self._calls.lock:
            if self._closing is not None:
                return self._closing
            closing = self._closing = Future()
            self._error = self._error or Closed("the receiver was closed")
            self._held.clear()
            waits, self._waits = self._waits, {}
            for wait in waits.values():
                self._calls.drop(wait)
            asked: Future[None] = Future()
            if not self._calls.remove_caller(self.number):
                asked.resolve(None)
            else:
                try:
                    self._calls.ask(Call(commands.Unsubscribe(0, self.number), asked, as_nothing, "again"))
                except Closed:
                    asked.resolve(None)
        for wait in waits.values():
            wait.future.resolve([])
        # Whatever the outcome: without an owner, nothing is held for it.
        asked.when_done(lambda: closing.resolve(None))
        return closing

    # ------------------------------------------------------------------ for a transaction

    def tag_of(self, incoming: Incoming) -> tuple[int, int]:
        """The subscription and tag by which the owner knows a message. Under the lock. Raises LeaseLost."""
        tag = incoming.handle
        if tag not in self._held:
            raise lost_by_transaction()
        assert isinstance(tag, int)
        return self.number, tag

    def accepted(self, incoming: Incoming) -> None:
        """Note that a transaction has accepted the message."""
        with self._calls.lock:
            self._held.pop(incoming.handle, None)  # type: ignore[call-overload]

    # ------------------------------------------------------------------ what the calls ask and tell

    def subscribed_as(self) -> commands.Subscribed | None:
        """What the next owner needs; None: no owner knows of it yet. Under the lock."""
        if not self._is_known:
            return None
        return (self.number, self._queue, self._prefetch, self._lease, self._last_tag)

    def holds(self) -> list[commands.Hold]:
        """The held messages that can be in the next owner's store. Under the lock."""
        now = time.monotonic()
        return [
            (self.number, tag, hold.row, hold.deliveries, None if hold.until is None else max(0.0, hold.until - now))
            for tag, hold in self._held.items()
            if hold.row
        ]

    def keep(self, tags: set[int]) -> None:
        """Keep only these messages: the next owner does not have the others. Under the lock."""
        self._held = {tag: hold for tag, hold in self._held.items() if tag in tags}

    def ended(self, error: BatonError) -> None:
        """End with this error: nothing more comes."""
        with self._calls.lock:
            self._error = error
            self._held.clear()
            waits, self._waits = self._waits, {}
            for wait in waits.values():
                self._calls.drop(wait)
        self.subscribed.fail(error)
        for wait in waits.values():
            wait.future.fail(error)

    def arrived(self, wait: Wait, answer: answers.Arrived) -> None:
        """Hold the messages of an answer, and give them to the call."""
        try:
            came = [
                Incoming(wire.message_from(wired), count, redelivered, tag, origin=(exchange, key))
                for wired, count, redelivered, tag, _, exchange, key in answer.messages
            ]
        except ValueError as error:
            wait.fail(not_understood(error))
            return
        with self._calls.lock:
            if self._waits.pop(wait.future, None) is None:
                # Closed meanwhile: the owner takes them back.
                return
            until = None if self._lease is None else time.monotonic() + self._lease
            for _, count, _, tag, row, _, _ in answer.messages:
                self._held[tag] = Hold(row, count, until)
                self._last_tag = max(self._last_tag, tag)
        wait.future.resolve(came)

    def late(self, tag: int) -> None:
        """Drop a message that was held for too long. Under the lock."""
        self._held.pop(tag, None)

    def forget(self, wait: Wait) -> None:
        """Forget a call that has its outcome."""
        with self._calls.lock:
            self._waits.pop(wait.future, None)
