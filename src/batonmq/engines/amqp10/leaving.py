"""Ends a queue's link: no more credit, give back what is held, close.

In this order, so that released messages do not come here again. A message that nobody has seen must not count as
delivered. How this is achieved differs:

- Where the broker counts whatever was delivered in a session that ends, the session ends only if all of it was seen.
- Where a link's end counts what is on its way, the broker is asked to stop first; what still comes goes back unseen.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from batonmq.engines.futures import Future

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.engines.amqp10.client.receiver import Receiver
    from batonmq.engines.amqp10.client.session import Session
    from batonmq.engines.amqp10.open_deliveries import OpenDeliveries
    from batonmq.engines.amqp10.products.base import Product
    from batonmq.engines.amqp10.uplink import Uplink
    from batonmq.engines.values import Incoming

__all__ = ["Leaving"]

# Seconds that a broker has to report that nothing is in flight, counted from the last message.
TO_DRAIN: Final = 1.0
# Seconds that it has to report that it sends nothing more, counted from the last message.
TO_STOP: Final = 0.5
# Seconds that it has to answer a detach.
TO_DETACH: Final = 2.0


class Leaving:
    """How one queue's link ends. Everything but ``ask`` runs in the connection's thread."""

    __slots__ = (
        "_came",
        "_counted",
        "_deliveries",
        "_given_back",
        "_lock",
        "_product",
        "_session",
        "_unseen",
        "_uplink",
        "over",
    )

    def __init__(self, uplink: Uplink, product: Product, deliveries: OpenDeliveries) -> None:
        self._uplink = uplink
        self._product = product
        self._deliveries = deliveries
        self._lock = threading.Lock()
        self.over: Future[None] | None = None
        """Resolved when the link has ended; None: nobody has asked it to."""
        self._session: Session | None = None
        # Messages that nobody had seen when it was told to end in the middle of a transaction.
        self._unseen: list[Incoming] | None = None
        # Messages held when the last credit was taken back. These count as delivered; later ones do not.
        self._counted: frozenset[int] | None = None
        # Unseen messages, with those that came after the broker was asked to stop.
        self._given_back: set[int] | None = None
        # How many messages have come while it waited.
        self._came = 0

    def ask(self) -> tuple[Future[None], bool]:
        """The future for the end, and whether this is the first request. From any thread."""
        with self._lock:
            is_first = self.over is None
            over = self.over = self.over or Future()
            return over, is_first

    @property
    def is_waiting(self) -> bool:
        """Does it wait for messages in flight, to give them back?"""
        return self._counted is not None or self._given_back is not None

    def came(self, delivery_id: int) -> None:
        """Count a message that has come while it waits."""
        self._came += 1
        self._deliveries.add(delivery_id, b"")
        if self._given_back is not None:
            self._given_back.add(delivery_id)

    def decided(self) -> list[Incoming] | None:
        """A transaction is over: the messages to pass to ``begin`` if leaving has waited for this; None: it has not."""
        if self._unseen is None or self._deliveries.has_undecided:
            return None
        unseen, self._unseen = self._unseen, None
        return unseen

    def detached(self) -> None:
        """The link is gone."""
        self._session = None
        self._unseen = None
        self._given_back = None

    def begin(self, receiver: Receiver, session: Session, unseen: list[Incoming]) -> None:
        """End the attached link. Nobody has seen the messages ``unseen``."""
        self._session = session
        if self._deliveries.has_undecided:
            # Messages in an open transaction must not be given back, and the link has to stay.
            if receiver.is_attached:
                receiver.give_credit(0)
            self._unseen = unseen
        elif self._product.isolates_receivers:
            self._counted = frozenset(self._deliveries.ids) if not unseen else frozenset()
            if self._counted and receiver.is_attached and receiver.credit > 0:
                # Messages in flight must not be counted, so wait for them.
                self._when_silent(TO_DRAIN, self._end)
                receiver.drain(receiver.credit)
            else:
                self._end()
        else:
            self._given_back = {one.handle[1] for one in unseen if isinstance(one.handle, tuple)}
            if self._product.echoes and receiver.is_attached and receiver.credit > 0:
                # Messages in flight arrive first and go back unseen: with the link they would count as delivered.
                self._when_silent(TO_STOP, self._give_back)
                receiver.stop()
                return
            if receiver.is_attached:
                receiver.give_credit(0)
            self._give_back()

    def _when_silent(self, seconds: float, function: Callable[[], None]) -> None:
        """Call when no message has come for that many seconds. The credit limits how many can come."""
        before = self._came

        def look() -> None:
            if self._came == before:
                function()
            else:
                self._when_silent(seconds, function)

        self._uplink.later(seconds, look)

    def drained(self) -> None:
        """Nothing is in flight any more."""
        if self._counted is not None:
            self._end()
        elif self._given_back is not None:
            self._give_back()

    def _give_back(self) -> None:
        """Settle all held messages, and end the link."""
        receiver, unseen = self._deliveries.receiver, self._given_back
        if receiver is None or unseen is None:
            return
        self._given_back = None
        if receiver.is_attached:
            for delivery_id in self._deliveries.ids:
                receiver.settle(delivery_id, self._product.unseen if delivery_id in unseen else self._product.returned)
        self._deliveries.clear()
        self._detach(receiver)

    def _end(self) -> None:
        """End the session, if its deliveries are to count, or only the link, which counts nothing."""
        receiver, session = self._deliveries.receiver, self._session
        if receiver is None or session is None:
            return
        if self._counted and self._counted == self._deliveries.ids and receiver.credit <= 0:
            session.end()
        else:
            self._detach(receiver)

    def _detach(self, receiver: Receiver) -> None:
        """End the link. If the broker does not answer, it gives back held messages when the connection ends."""
        over = self.over
        receiver.close()
        if over is not None:
            self._uplink.later(TO_DETACH, lambda: over.resolve(None))
