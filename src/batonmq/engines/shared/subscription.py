"""A subscription with whoever has the file, and with the next one who has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.engines.interface import How, Subscription
from batonmq.engines.shared import wire
from batonmq.engines.shared.calls import Call, WhenLost, as_nothing
from batonmq.engines.tickets import Ticket
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, Closed, ConnectionLost, LeaseLost

if TYPE_CHECKING:
    from batonmq.engines.shared.calling import Calls

__all__ = ["SharedSubscription"]


class Wait:
    """A call of ``receive``. It waits over the change of an owner: another command, the same ticket."""

    __slots__ = ("_subscription", "command", "ticket", "when_lost")

    def __init__(self, subscription: SharedSubscription, most: int) -> None:
        self.command = wire.Receive(0, subscription.number, most)
        self.when_lost: WhenLost = "drop"
        self.ticket: Ticket[list[Incoming]] = Ticket()
        self._subscription = subscription

    def answered(self, answer: wire.Answer) -> None:
        """This came for it."""
        if isinstance(answer, wire.Arrived):
            self._subscription.arrived(self, answer)
        elif isinstance(answer, wire.Failed):
            self._subscription.forget(self)
            self.ticket.fail(wire.error_from(answer))

    def fail(self, error: BaseException) -> None:
        """Nothing comes."""
        self._subscription.forget(self)
        self.ticket.fail(error)


class SharedSubscription(Subscription):
    """See the module. The lock of the calls guards it."""

    __slots__ = (
        "_calls",
        "_closing",
        "_error",
        "_generation",
        "_held",
        "_lease",
        "_prefetch",
        "_queue",
        "_waits",
        "number",
        "subscribed",
    )

    def __init__(self, calls: Calls, number: int, queue: str, prefetch: int, lease: float | None) -> None:
        self.number = number
        self.subscribed: Ticket[None] = Ticket()
        self._calls = calls
        self._queue = queue
        self._prefetch = prefetch
        self._lease = lease
        # Tags are an owner's: the generation tells which one's.
        self._generation = 0
        self._held: set[tuple[int, int]] = set()
        self._waits: dict[Ticket[list[Incoming]], Wait] = {}
        self._error: BatonError | None = None
        self._closing: Ticket[None] | None = None

    def begin(self) -> None:
        """Subscribe; ``subscribed`` tells how it went. Raises Closed."""
        with self._calls.lock:
            self._calls.seek()
            self._calls.callers[self.number] = self
            if self._calls.is_open:
                self.opened()

    # ------------------------------------------------------------------ what the API asks

    def receive(self, most: int) -> Ticket[list[Incoming]]:
        wait = Wait(self, most)
        with self._calls.lock:
            if self._error is None:
                self._waits[wait.ticket] = wait
                try:
                    self._calls.ask(wait)
                except BatonError:
                    del self._waits[wait.ticket]
                    raise
                return wait.ticket
        wait.ticket.fail(self._error)
        return wait.ticket

    def withdraw(self, ticket: Ticket[list[Incoming]]) -> None:
        with self._calls.lock:
            wait = self._waits.get(ticket)
            if wait is None:
                return
            if self._calls.is_open:
                self._calls.tell(wire.Withdraw(0, wait.command.number))
                return
            del self._waits[ticket]
        ticket.resolve([])

    def settle(self, incoming: Incoming, how: How, reason: str = "", delay: float | None = None) -> None:
        handle = incoming.handle
        with self._calls.lock:
            if handle not in self._held:
                raise LeaseLost("the message is no longer in this receiver's hands")
            assert isinstance(handle, tuple)
            self._held.discard(handle)
            self._calls.tell(wire.Settle(0, self.number, handle[1], how, reason, delay))

    def renew(self, incoming: Incoming, seconds: float) -> Ticket[None]:
        handle = incoming.handle
        asked: Ticket[None] = Ticket()
        with self._calls.lock:
            if handle not in self._held:
                raise LeaseLost("the message is no longer in this receiver's hands")
            assert isinstance(handle, tuple)
            self._calls.ask(Call(wire.Renew(0, self.number, handle[1], seconds), asked, as_nothing, "lease"))
        ticket: Ticket[None] = Ticket()

        def then() -> None:
            if asked.error is None:
                ticket.resolve(None)
            elif isinstance(asked.error, ConnectionLost):
                # The message went back with its owner, whatever that one had begun.
                ticket.fail(LeaseLost("the process that had the file went: the message is back in its queue"))
            else:
                ticket.fail(asked.error)

        asked.when_done(then)
        return ticket

    def close(self) -> Ticket[None]:
        with self._calls.lock:
            if self._closing is not None:
                return self._closing
            self._closing = Ticket()
            self._held.clear()
            waits, self._waits = self._waits, {}
            was_known = self._calls.callers.pop(self.number, None) is not None
            is_asked = was_known and self._calls.is_open
            if is_asked:
                try:
                    self._calls.ask(Call(wire.Unsubscribe(0, self.number), self._closing, as_nothing, "done"))
                except Closed:
                    is_asked = False
        for wait in waits.values():
            wait.ticket.resolve([])
        if not is_asked:
            self._closing.resolve(None)
        return self._closing

    # ------------------------------------------------------------------ for a transaction

    def tag_of(self, incoming: Incoming) -> tuple[int, int]:
        """Its name for the owner. Under the lock. Raises LeaseLost."""
        handle = incoming.handle
        if handle not in self._held:
            raise LeaseLost("a message of the transaction is no longer in these hands; nothing was sent")
        assert isinstance(handle, tuple)
        return self.number, handle[1]

    def accepted(self, incoming: Incoming) -> None:
        """The transaction has taken it along."""
        with self._calls.lock:
            self._held.discard(incoming.handle)

    # ------------------------------------------------------------------ what the calls tell

    def opened(self) -> None:
        """There is an owner: subscribe, and ask for what is waited for. Under the lock."""
        ticket = self.subscribed
        if ticket.done:
            ticket = Ticket()
        call = Call(
            wire.Subscribe(0, self.number, self._queue, self._prefetch, self._lease), ticket, as_nothing, "drop"
        )
        self._calls.ask(call)
        ticket.when_done(lambda: self._subscribed(ticket))
        for wait in list(self._waits.values()):
            self._calls.ask(wait)

    def _subscribed(self, ticket: Ticket[None]) -> None:
        error = ticket.error
        if isinstance(error, BatonError):
            with self._calls.lock:
                self._calls.callers.pop(self.number, None)
            self.ended(error)

    def lost(self) -> None:
        """What was held is back in its queue. Under the lock."""
        self._generation += 1
        self._held.clear()

    def ended(self, error: BatonError) -> None:
        """Nothing comes any more."""
        with self._calls.lock:
            self._error = error
            self._held.clear()
            waits, self._waits = self._waits, {}
        self.subscribed.fail(error)
        for wait in waits.values():
            wait.ticket.fail(error)

    def arrived(self, wait: Wait, answer: wire.Arrived) -> None:
        """Messages are in these hands."""
        came: list[Incoming] = []
        with self._calls.lock:
            if self._waits.pop(wait.ticket, None) is None:
                # Closed meanwhile: the owner takes them back.
                return
            for wired, count, redelivered, tag in answer.messages:
                handle = (self._generation, tag)
                self._held.add(handle)
                came.append(Incoming(wire.message_from(wired), count, redelivered, handle))
        wait.ticket.resolve(came)

    def late(self, tag: int) -> None:
        """It was held for too long. Under the lock."""
        self._held.discard((self._generation, tag))

    def forget(self, wait: Wait) -> None:
        """It has failed."""
        with self._calls.lock:
            self._waits.pop(wait.ticket, None)
