"""Takes messages from a queue over a link: the common part of subscriptions and pulls.

After a lost connection a subscription attaches again on the next one. Held messages went back to the queue with the old
one, and settling them raises LeaseLost.

    open_deliveries.py  what the link has delivered
    settling.py         how that is settled
    leaving.py          the link's end
"""

from __future__ import annotations

import contextlib
import logging
import time
from abc import abstractmethod

from batonmq.engines.amqp10.client.receiver import Receiver, ReceiverUser
from batonmq.engines.amqp10.client.session import Session
from batonmq.engines.amqp10.conversion import Conversion
from batonmq.engines.amqp10.leaving import Leaving
from batonmq.engines.amqp10.open_deliveries import OpenDeliveries
from batonmq.engines.amqp10.products.base import Product
from batonmq.engines.amqp10.settling import Copying, Settling
from batonmq.engines.amqp10.uplink import Linked, Uplink
from batonmq.engines.futures import Future, resolved
from batonmq.engines.interface import How, Subscription
from batonmq.engines.lease_keeper import LeaseKeeper
from batonmq.engines.leases import lost, lost_with
from batonmq.engines.prefetched import Handle, Prefetched
from batonmq.engines.steps import Steps, run_steps
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, Closed, ConnectionLost, NotFound
from batonmq.fields import FieldError
from batonmq.protocols.amqp10.codec.performatives import Attach, DeliveryState, Error as AmqpError, Rejected, Released
from batonmq.protocols.amqp10.conditions import DECODE_ERROR

__all__ = ["Taking"]

log = logging.getLogger("batonmq.amqp10")


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
        self._conversion = Conversion(product)
        self._queue = queue
        self._prefetch = prefetch
        self._lease = lease
        self._messages = Prefetched(lease)
        self._deliveries = OpenDeliveries()
        self.settling = Settling(
            queue,
            uplink,
            product,
            copying,
            self._deliveries,
            self._messages,
            settled=self._top_up,
            decided=self._decided,
        )
        """The settlements, which transactions use as well."""
        self._leaving = Leaving(uplink, product, self._deliveries)
        self._keeper = (
            LeaseKeeper(
                lease,
                self._messages,
                uplink.later,
                self._renew_unasked,
                self._not_asked_for,
                lambda generation: generation == self._deliveries.generation,
            )
            if lease is not None
            else None
        )
        self._session: Session | None = None
        self._is_to_be_served = False

    # ------------------------------------------------------------------ from any thread

    def begin(self) -> None:
        """Attach the link; ``subscribed`` gets the outcome."""
        self._uplink.when_open(self._begin, self.subscribed)

    def withdraw(self, future: Future[list[Incoming]]) -> None:
        self._messages.withdraw(future)

    def settle(self, incoming: Incoming, how: How, reason: str = "", delay: float | None = None) -> None:
        handle = incoming.handle
        assert isinstance(handle, tuple)
        self._require_uplink()
        until = self._messages.take(handle)
        if not until:
            with contextlib.suppress(Closed):
                self._uplink.call(lambda: self._let_go(handle))
            raise lost()
        is_late = self._lease is not None and until < time.monotonic()
        # Settling a message that is late only makes room.
        settlement: tuple[How, str, float | None] = ("release", "", None) if is_late else (how, reason, delay)
        try:
            self._uplink.call(lambda: self.settling.settle(incoming, *settlement))
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
        if not self._messages.holds(handle) or session is None or handle[0] != self._deliveries.generation:
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
            if session is not None and self._deliveries.has(handle):
                self._product.report(session.number, handle[1], fraction, note)

        with contextlib.suppress(Closed):
            self._uplink.call(tell)

    def close(self) -> Future[None]:
        try:
            self._uplink.require_open()
        except Closed:
            return resolved(None)
        over, is_first = self._leaving.ask()
        if is_first:
            unseen = self._messages.end(Closed("the receiver was closed"), quietly=True)
            try:
                self._uplink.call(lambda: self._leave(unseen))
            except Closed:
                return resolved(None)
        return over

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
        """Check that the queue exists, and attach."""
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
        if self._leaving.over is not None:
            self._left(self._leaving.over)
            return
        opening = self._product.opening(self._queue, self._lease, self._prefetch)
        receiver = Receiver(self._uplink.link_name(self._queue), opening.source, self, properties=opening.properties)
        alone = self._product.isolates_receivers
        self._session = self._uplink.attach(receiver, receives=True, alone=alone)
        self._deliveries.attach(receiver)
        if self._keeper is not None:
            self._keeper.begin(self._deliveries.generation)

    @property
    def queue(self) -> str:
        """The name of its queue."""
        return self._queue

    def queue_deleted(self) -> None:
        """The queue is gone, and the broker does not report it."""
        receiver = self._deliveries.receiver
        self._finish(NotFound(f"queue '{self._queue}' was deleted"))
        if receiver is not None:
            receiver.close()

    def uplink_opened(self) -> None:
        try:
            self._attach()
        except ConnectionLost:
            # It is lost again, and reports the next connection.
            return

    def uplink_given_up(self, error: BatonError) -> None:
        self._finish(error)

    def attached(self, attach: Attach) -> None:
        if self._leaving.over is None:
            self._top_up()
        self.subscribed.resolve(self)

    def detached(self, error: BatonError | None) -> None:
        self._deliveries.detach()
        self._leaving.detached()
        self._messages.clear()
        if self._leaving.over is not None:
            self._left(self._leaving.over)
        elif error is not None and not isinstance(error, ConnectionLost | Closed):
            self._finish(error)
        elif self._uplink.is_open:
            # Only its session was lost, through no fault of this link.
            self._lost_alone(error or ConnectionLost("the broker closed the link"))
        else:
            self._lost_with_uplink(error or ConnectionLost("the connection was lost"))

    def _lost_alone(self, error: BatonError) -> None:
        """The link is lost, but not the connection."""
        if not self.subscribed.done:
            self._finish(error)
            return
        self._uplink.later(1.0, self._attach_again)

    def _attach_again(self) -> None:
        if self._deliveries.receiver is None and self._uplink.is_open and self._messages.error is None:
            self.uplink_opened()

    def _lost_with_uplink(self, error: BatonError) -> None:
        """The connection is lost, and is being reopened."""
        if not self.subscribed.done:
            self._finish(error)

    def _finish(self, error: BatonError) -> None:
        """End with this error: nothing more comes."""
        self._uplink.forget(self)
        self.subscribed.fail(error)
        self._messages.end(error)
        if self._leaving.over is not None:
            self._leaving.over.resolve(None)

    # ------------------------------------------------------------------ messages, in the loop's thread

    @abstractmethod
    def _top_up(self) -> None:
        """There may be room for more."""

    def delivered(self, delivery_id: int, payload: bytes, *, settled: bool) -> None:
        receiver = self._deliveries.receiver
        if receiver is None:
            return
        if self._leaving.is_waiting:
            self._leaving.came(delivery_id)
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
        handle = (self._deliveries.generation, delivery_id)
        shown = product.shown(message)
        incoming = Incoming(shown, count.deliveries, count.redelivered, handle, is_counted=count.is_exact)
        self._deliveries.add(delivery_id, payload if product.keeps_payloads else b"")
        if product.is_worn_out(self._queue, count.deliveries):
            self.settling.settle(incoming, "reject", "", None)
            return
        self._messages.add(incoming)
        if not self._is_to_be_served:
            self._is_to_be_served = True
            self._uplink.soon(self._serve_new)

    def _serve_new(self) -> None:
        self._is_to_be_served = False
        self._serve()

    def _serve(self) -> None:
        """Give arrived messages to waiting requests, in order."""
        while (found := self._messages.next()) is not None:
            request, batch = found
            if self._keeper is not None:
                self._keeper.renew_all(batch)
            request.resolve(batch)

    def changed(self, delivery_id: int, state: DeliveryState | None) -> None:
        """The broker has taken a delivery back."""
        deliveries = self._deliveries
        if not deliveries.is_in_transaction(delivery_id):
            if isinstance(state, Released) and deliveries.receiver is not None and delivery_id in deliveries.ids:
                # It was held for too long: the link delivers nothing more until we settle it, too.
                deliveries.receiver.settle(delivery_id, state)
            deliveries.remove(delivery_id)
            if self._messages.drop((deliveries.generation, delivery_id)):
                deliveries.taken_back(delivery_id)
            else:
                self._uplink.soon(self._top_up)

    def _let_go(self, handle: Handle) -> None:
        if self._deliveries.let_go(handle):
            self._top_up()

    def drained(self) -> None:
        """The broker has drained the link; pulls and leaving ask for it."""
        self._leaving.drained()

    # ------------------------------------------------------------------ the lease

    def _renew_unasked(self, handles: list[Handle]) -> None:
        """Renew the leases of waiting messages. From any thread."""
        lease, session = self._lease, self._session
        assert lease is not None

        def renew() -> None:
            ids = [handle[1] for handle in handles if self._deliveries.has(handle)]
            if ids and session is not None:
                self._product.renew_unasked(session.number, ids, lease)

        with contextlib.suppress(Closed):
            self._uplink.call(renew)

    def _not_asked_for(self, handle: Handle) -> None:
        """The lease of a message is over: it is in the queue again, and makes room here."""
        receiver = self._deliveries.receiver
        if receiver is not None and self._deliveries.has(handle):
            self.settling.say(receiver, handle[1], self._product.returned)

    # ------------------------------------------------------------------ the end, in the loop's thread

    def _leave(self, unseen: list[Incoming]) -> None:
        over, receiver, session = self._leaving.over, self._deliveries.receiver, self._session
        assert over is not None
        if receiver is None or session is None or receiver.is_gone:
            self._left(over)
            return
        self._uplink.expect(lambda: over.done)
        # Including messages that came after the close.
        self._leaving.begin(receiver, session, [*unseen, *self._messages.unseen()])

    def _left(self, over: Future[None]) -> None:
        self._uplink.forget(self)
        over.resolve(None)

    def uplink_closing(self) -> Future[None]:
        over, is_first = self._leaving.ask()
        if is_first:
            self._leave(self._messages.end(Closed("the connection was closed")))
        return over

    def _decided(self) -> None:
        """A transaction is over, for which leaving may have waited."""
        unseen = self._leaving.decided()
        if unseen is not None:
            self._leave(unseen)
