"""Takes messages from a queue over a link: what subscriptions and pulls have in common.

When the connection was lost a subscription attaches anew on the next one. What was held went back to the queue with
the old one, and settling it raises LeaseLost.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from abc import abstractmethod
from typing import Final

from batonmq.engines.amqp10.client.receiver import ACCEPTED, Receiver, ReceiverUser
from batonmq.engines.amqp10.client.session import Session
from batonmq.engines.amqp10.conversion import Conversion
from batonmq.engines.amqp10.products.base import Copy, Held, Product
from batonmq.engines.amqp10.uplink import Linked, Uplink
from batonmq.engines.futures import Future, resolved
from batonmq.engines.interface import How, Subscription
from batonmq.engines.lease_keeper import LeaseKeeper
from batonmq.engines.leases import lost, lost_with
from batonmq.engines.prefetched import Handle, Prefetched
from batonmq.engines.steps import Steps, run_steps
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, Closed, ConnectionLost, LeaseLost, NotFound
from batonmq.fields import FieldError
from batonmq.protocols.amqp10.codec.performatives import (
    Attach,
    DeliveryState,
    Error as AmqpError,
    Rejected,
    Released,
    TransactionalState,
)
from batonmq.protocols.amqp10.conditions import DECODE_ERROR

__all__ = ["Copying", "Taking"]

log = logging.getLogger("batonmq.amqp10")

# Seconds that a broker has to say that nothing more is on its way.
TO_DRAIN: Final = 1.0
# Seconds that it has to say that it sends nothing more.
TO_STOP: Final = 0.5
# Seconds that it has to answer when a link is ended.
TO_DETACH: Final = 2.0


class Copying:
    """Who sends a copy in place of a message, in one transaction with accepting it: the engine."""

    def send_copy(self, copy: Copy, taking: Taking, incoming: Incoming) -> Future[None]:
        """Resolved when both have happened; fails when neither has."""
        raise NotImplementedError


class Taking(Subscription, ReceiverUser, Linked):
    """A link on which the messages of a queue come."""

    def __init__(
        self,
        uplink: Uplink,
        product: Product,
        copying: Copying,
        queue: str,
        prefetch: int,
        lease: float | None = None,
    ) -> None:
        self.subscribed: Future[Subscription] = Future()
        self._uplink = uplink
        self._product = product
        self._copying = copying
        self._conversion = Conversion(product)
        self._queue = queue
        self._prefetch = prefetch
        self._lease = lease
        self._messages = Prefetched(lease)
        self._keeper = (
            LeaseKeeper(
                lease,
                self._messages,
                uplink.later,
                self._renew_unasked,
                self._not_asked_for,
                lambda generation: generation == self._generation,
            )
            if lease is not None
            else None
        )
        self._receiver: Receiver | None = None
        self._session: Session | None = None
        # Delivery-ids count anew on each connection: the generation tells which one.
        self._generation = 0
        # By delivery-id: the message as it came if the product needs it; b"" otherwise.
        self._open: dict[int, bytes] = {}
        # In a transaction: what the broker says of them is what the transaction comes to.
        self._in_transaction: set[int] = set()
        # Copied at the moment: what becomes of them is not known before the transaction is over.
        self._copied_now: set[int] = set()
        # Those that nobody has seen, when it was closed in the middle of that.
        self._unseen: list[Incoming] | None = None
        # Held when the last credit was taken back, to be counted; what comes behind that is not.
        self._counted: frozenset[int] | None = None
        # Seen by nobody, with what still comes, since the credit was taken back to leave.
        self._given_back: set[int] | None = None
        self._is_to_be_served = False
        self._closing: Future[None] | None = None
        self._closing_lock = threading.Lock()

    # ------------------------------------------------------------------ from any thread

    def begin(self) -> None:
        """Attach the link; ``subscribed`` tells how it went."""
        self._uplink.when_open(self._begin, self.subscribed)

    def withdraw(self, future: Future[list[Incoming]]) -> None:
        self._messages.withdraw(future)

    def settle(self, incoming: Incoming, how: How, reason: str = "", delay: float | None = None) -> None:
        handle = incoming.handle
        assert isinstance(handle, tuple)
        self._require_uplink()
        until = self._messages.take(handle)
        if not until:
            raise lost()
        is_late = self._lease is not None and until < time.monotonic()
        # What is late makes room when it is settled, to no other effect.
        settlement: tuple[How, str, float | None] = ("release", "", None) if is_late else (how, reason, delay)
        try:
            self._uplink.call(lambda: self._settle(incoming, *settlement))
        except Closed as error:
            raise lost_with(error) from None
        if is_late:
            raise lost()

    def renew(self, incoming: Incoming, seconds: float) -> Future[None]:
        handle = incoming.handle
        assert isinstance(handle, tuple)
        self._require_uplink()
        until = time.monotonic() + seconds
        session = self._session
        if not self._messages.holds(handle) or session is None or handle[0] != self._generation:
            raise lost()

        def steps() -> Steps[None]:
            try:
                yield from self._product.renewal(session.number, handle[1], seconds)
            except ConnectionLost:
                # It went back with the connection.
                raise lost() from None
            self._messages.prolong(handle, until)

        return run_steps(steps())

    def report(self, incoming: Incoming, fraction: float, note: str) -> None:
        handle, session = incoming.handle, self._session
        assert isinstance(handle, tuple)

        def tell() -> None:
            if session is not None and handle[0] == self._generation and handle[1] in self._open:
                self._product.report(session.number, handle[1], fraction, note)

        with contextlib.suppress(Closed):
            self._uplink.call(tell)

    def close(self) -> Future[None]:
        try:
            self._uplink.require_open()
        except Closed:
            return resolved(None)
        with self._closing_lock:
            if self._closing is not None:
                return self._closing
            self._closing = Future()
        unseen = self._messages.end(Closed("the receiver was closed"), quietly=True)
        try:
            self._uplink.call(lambda: self._leave(unseen))
        except Closed:
            return resolved(None)
        return self._closing

    def _require_uplink(self) -> None:
        """Raises LeaseLost."""
        try:
            self._uplink.require_open()
        except Closed as error:
            raise lost_with(error) from None

    # ------------------------------------------------------------------ attaching, in the loop's thread

    def _begin(self) -> None:
        self._uplink.attach_all_anew(self)
        steps = run_steps(self._opening_steps())
        steps.when_done(lambda: self._refused(steps.error), owed=self.subscribed)

    def _opening_steps(self) -> Steps[None]:
        """See that the queue is there, and attach."""
        yield from self._product.require_source(self._queue)
        self._attach()

    def _refused(self, error: BaseException | None) -> None:
        if isinstance(error, BatonError):
            self._finish(error)
        elif error is not None:
            # A name that cannot be a queue's.
            self._uplink.forget(self)
            self.subscribed.fail(error)

    def _attach(self) -> None:
        """Raises ConnectionLost."""
        if self._closing is not None:
            self._uplink.forget(self)
            self._closing.resolve(None)
            return
        opening = self._product.opening(self._queue, self._lease, self._prefetch)
        receiver = Receiver(self._uplink.link_name(self._queue), opening.source, self, properties=opening.properties)
        alone = self._product.isolates_receivers
        self._session = self._uplink.attach(receiver, receives=True, alone=alone)
        self._receiver = receiver
        self._generation += 1
        if self._keeper is not None:
            self._keeper.begin(self._generation)

    @property
    def queue(self) -> str:
        """Whose messages it takes."""
        return self._queue

    def queue_deleted(self) -> None:
        """The queue is gone, and the broker says nothing of it."""
        receiver = self._receiver
        self._finish(NotFound(f"queue '{self._queue}' was deleted"))
        if receiver is not None:
            receiver.close()

    def uplink_opened(self) -> None:
        try:
            self._attach()
        except ConnectionLost:
            # It is gone again, and tells of the next.
            return

    def uplink_given_up(self, error: BatonError) -> None:
        self._finish(error)

    def attached(self, attach: Attach) -> None:
        if self._closing is None:
            self._top_up()
        self.subscribed.resolve(self)

    def detached(self, error: BatonError | None) -> None:
        self._receiver = None
        self._generation += 1
        self._open.clear()
        self._in_transaction.clear()
        self._copied_now.clear()
        self._unseen = None
        self._given_back = None
        self._messages.clear()
        if self._closing is not None:
            self._uplink.forget(self)
            self._closing.resolve(None)
        elif error is not None and not isinstance(error, ConnectionLost | Closed):
            self._finish(error)
        elif self._uplink.is_open:
            # Its session alone was lost, by no fault of this link's.
            self._lost_alone(error or ConnectionLost("the broker closed the link"))
        else:
            self._lost_with_uplink(error or ConnectionLost("the connection was lost"))

    def _lost_alone(self, error: BatonError) -> None:
        """The link is gone, and the connection is not."""
        if not self.subscribed.done:
            self._finish(error)
            return
        self._uplink.later(1.0, self._attach_again)

    def _attach_again(self) -> None:
        if self._receiver is None and self._uplink.is_open and self._messages.error is None:
            self.uplink_opened()

    def _lost_with_uplink(self, error: BatonError) -> None:
        """The connection is gone, and is being opened anew."""
        if not self.subscribed.done:
            self._finish(error)

    def _finish(self, error: BatonError) -> None:
        """Nothing more comes."""
        self._uplink.forget(self)
        self.subscribed.fail(error)
        self._messages.end(error)
        if self._closing is not None:
            self._closing.resolve(None)

    # ------------------------------------------------------------------ messages, in the loop's thread

    @abstractmethod
    def _top_up(self) -> None:
        """There may be room for more."""

    def delivered(self, delivery_id: int, payload: bytes, *, settled: bool) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        if self._is_leaving:
            self._open[delivery_id] = b""
            if self._given_back is not None:
                self._given_back.add(delivery_id)
            return
        try:
            message, carried = self._conversion.read(payload)
        except FieldError as error:
            log.warning("a message of queue '%s' cannot be read, and is rejected: %s", self._queue, error)
            wrong = AmqpError(condition=DECODE_ERROR, description=str(error))
            receiver.settle(delivery_id, Rejected(error=wrong))
            self._uplink.soon(self._top_up)
            return
        product = self._product
        count = product.count_of(message, carried.delivery_count, carried.first_acquirer)
        handle = (self._generation, delivery_id)
        shown = product.shown(message)
        incoming = Incoming(shown, count.deliveries, count.redelivered, handle, is_counted=count.is_exact)
        self._open[delivery_id] = payload if product.keeps_payloads else b""
        if product.is_worn_out(self._queue, count.deliveries):
            self._settle(incoming, "reject", "", None)
            return
        self._messages.add(incoming)
        if not self._is_to_be_served:
            self._is_to_be_served = True
            self._uplink.soon(self._serve_new)

    def _serve_new(self) -> None:
        self._is_to_be_served = False
        self._serve()

    def _serve(self) -> None:
        """Give what has arrived to those who wait, the first first."""
        while (found := self._messages.next()) is not None:
            request, batch = found
            if self._keeper is not None:
                self._keeper.renew_all(batch)
            request.resolve(batch)

    def changed(self, delivery_id: int, state: DeliveryState | None) -> None:
        """The broker has taken a delivery back: it is not held here any more."""
        if delivery_id not in self._in_transaction:
            if isinstance(state, Released) and self._receiver is not None and delivery_id in self._open:
                # RabbitMQ, when it was held for too long: nothing more comes on the link before we settle that, too.
                self._receiver.settle(delivery_id, state)
            self._open.pop(delivery_id, None)
            self._messages.drop((self._generation, delivery_id))
            self._uplink.soon(self._top_up)

    def drained(self) -> None:
        """A pull asks for it, and who leaves."""
        if self._counted is not None:
            self._end()
        elif self._given_back is not None:
            self._give_back()

    @property
    def _is_leaving(self) -> bool:
        """Is the last that is on its way awaited, to go back?"""
        return self._counted is not None or self._given_back is not None

    # ------------------------------------------------------------------ the lease

    def _renew_unasked(self, handles: list[Handle]) -> None:
        """They may stay here for a whole lease. From any thread."""
        lease, session = self._lease, self._session
        assert lease is not None

        def renew() -> None:
            ids = [number for generation, number in handles if generation == self._generation and number in self._open]
            if ids and session is not None:
                self._product.renew_unasked(session.number, ids, lease)

        with contextlib.suppress(Closed):
            self._uplink.call(renew)

    def _not_asked_for(self, handle: Handle) -> None:
        """Its lease is over: it is in the queue again, and makes room here."""
        generation, delivery_id = handle
        if generation == self._generation and self._receiver is not None and delivery_id in self._open:
            self._settled(self._receiver, delivery_id, self._product.returned)

    # ------------------------------------------------------------------ settling, in the loop's thread

    def _current(self, incoming: Incoming) -> tuple[Receiver, int] | None:
        """The link that it came on and its id there, if that is still the one."""
        handle = incoming.handle
        assert isinstance(handle, tuple)
        generation, delivery_id = handle
        receiver = self._receiver
        if generation != self._generation or receiver is None or delivery_id not in self._open:
            return None
        return receiver, delivery_id

    def _settle(self, incoming: Incoming, how: How, reason: str, delay: float | None) -> None:
        current = self._current(incoming)
        if current is None:
            return
        receiver, delivery_id = current
        if how == "accept":
            self._settled(receiver, delivery_id, ACCEPTED)
            return
        held = Held(self._queue, incoming.message, self._open[delivery_id], incoming.delivery_count)
        settlement = self._product.settlement(held, how, reason, delay)
        if settlement.wait:
            self._uplink.later(settlement.wait, lambda: self._settle_late(incoming, settlement.outcome))
            return
        if settlement.copy is None:
            self._settled(receiver, delivery_id, settlement.outcome)
            return
        self._copied_now.add(delivery_id)
        try:
            copied = self._copying.send_copy(settlement.copy, self, incoming)
        except Closed as error:
            self._copied(incoming, error)
            return
        copied.when_done(lambda: self._copied(incoming, copied.error))

    def _settle_late(self, incoming: Incoming, outcome: DeliveryState) -> None:
        """What was kept here for a while goes back now, unless it has gone with its link."""
        current = self._current(incoming)
        if current is not None:
            self._settled(*current, outcome)

    def _copied(self, incoming: Incoming, error: BaseException | None) -> None:
        handle = incoming.handle
        assert isinstance(handle, tuple)
        if handle[0] == self._generation:
            self._copied_now.discard(handle[1])
        if error is not None:
            log.warning("a message of queue '%s' goes back, as its copy was not taken: %s", self._queue, error)
            current = self._current(incoming)
            if current is not None:
                self._settled(*current, self._product.returned)
        self._leave_if_left()

    def _settled(self, receiver: Receiver, delivery_id: int, outcome: DeliveryState) -> None:
        receiver.settle(delivery_id, outcome)
        self._open.pop(delivery_id, None)
        self._top_up()

    # ------------------------------------------------------------------ transactions, in the loop's thread

    def accept_in(self, incoming: Incoming, txn_id: bytes, state: TransactionalState) -> None:
        """It is accepted if the transaction is. Raises LeaseLost."""
        receiver, delivery_id = self._require_current(incoming)
        self._in_transaction.add(delivery_id)
        receiver.settle(delivery_id, state, settled=False)

    def check_held(self, incoming: Incoming) -> None:
        """Raises LeaseLost."""
        self._require_current(incoming)

    def transaction_over(self, incoming: Incoming, *, committed: bool) -> None:
        """What became of the transaction in which it was accepted."""
        current = self._current(incoming)
        if current is None:
            return
        receiver, delivery_id = current
        self._in_transaction.discard(delivery_id)
        if committed:
            handle = incoming.handle
            assert isinstance(handle, tuple)
            self._messages.take(handle)
            self._settled(receiver, delivery_id, ACCEPTED)
        self._leave_if_left()

    def _require_current(self, incoming: Incoming) -> tuple[Receiver, int]:
        current = self._current(incoming)
        if current is None:
            raise LeaseLost("a message of the transaction is no longer in these hands; nothing was sent")
        return current

    # ------------------------------------------------------------------ the end, in the loop's thread

    def _leave(self, unseen: list[Incoming]) -> None:
        """No more credit, give back, close: in this order, so that what is given back does not come here again."""
        closing, receiver = self._closing, self._receiver
        assert closing is not None
        self._uplink.expect(lambda: closing.done)
        if receiver is None or receiver.is_gone:
            self._uplink.forget(self)
            closing.resolve(None)
            return
        if self._copied_now or self._in_transaction:
            # What is in the middle of a transaction may not be given back, nor the link go.
            if receiver.is_attached:
                receiver.give_credit(0)
            self._unseen = unseen
            return
        # Also what has come since it was closed, to wait here for nobody.
        unseen = [*unseen, *self._messages.unseen()]
        if self._product.isolates_receivers:
            self._counted = frozenset(self._open) if not unseen else frozenset()
            if self._counted and receiver.is_attached and receiver.credit > 0:
                # What is on its way is not to be counted: it is waited for.
                self._uplink.later(TO_DRAIN, self._end)
                receiver.drain(receiver.credit)
            else:
                self._end()
            return
        self._given_back = {one.handle[1] for one in unseen if isinstance(one.handle, tuple)}
        if self._product.echoes and receiver.is_attached and receiver.credit > 0:
            # What is on its way comes first, to go back as unseen: it would count as delivered with its link.
            self._uplink.later(TO_STOP, self._give_back)
            receiver.stop()
            return
        if receiver.is_attached:
            receiver.give_credit(0)
        self._give_back()

    def _give_back(self) -> None:
        """Settle all that is held, and end the link."""
        receiver, unseen = self._receiver, self._given_back
        if receiver is None or unseen is None:
            return
        self._given_back = None
        if receiver.is_attached:
            for delivery_id in self._open:
                receiver.settle(delivery_id, self._product.unseen if delivery_id in unseen else self._product.returned)
        self._open.clear()
        self._detach(receiver)

    def _end(self) -> None:
        """End the session, which counts all that was delivered in it, or the link alone, which counts nothing."""
        receiver, session = self._receiver, self._session
        if receiver is None or session is None:
            return
        if self._counted and self._counted == self._open.keys() and receiver.credit <= 0:
            session.end()
        else:
            self._detach(receiver)

    def _detach(self, receiver: Receiver) -> None:
        """End the link. A broker that does not answer gives back what is held when the connection ends."""
        closing = self._closing
        receiver.close()
        if closing is not None:
            self._uplink.later(TO_DETACH, lambda: closing.resolve(None))

    def uplink_closing(self) -> Future[None]:
        with self._closing_lock:
            if self._closing is not None:
                return self._closing
            self._closing = Future()
        unseen = self._messages.end(Closed("the connection was closed"))
        self._leave(unseen)
        return self._closing

    def _leave_if_left(self) -> None:
        """A transaction is over, for which leaving has waited."""
        if self._unseen is not None and not self._copied_now and not self._in_transaction:
            unseen, self._unseen = self._unseen, None
            self._leave(unseen)
