"""Settles deliveries of a queue's link: with an outcome, with a copy in their place, or within a transaction.

All of this runs in the connection's thread.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from batonmq.engines.amqp10.client.receiver import ACCEPTED
from batonmq.engines.amqp10.products.base import Copy, Held
from batonmq.errors import Closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.engines.amqp10.client.receiver import Receiver
    from batonmq.engines.amqp10.open_deliveries import OpenDeliveries
    from batonmq.engines.amqp10.products.base import Product
    from batonmq.engines.amqp10.uplink import Uplink
    from batonmq.engines.futures import Future
    from batonmq.engines.interface import How
    from batonmq.engines.prefetched import Prefetched
    from batonmq.engines.values import Incoming
    from batonmq.protocols.amqp10.codec.performatives import DeliveryState, TransactionalState

__all__ = ["Copying", "Settling"]

log = logging.getLogger("batonmq.amqp10")


class Copying(ABC):
    """Sends a copy and accepts the original in one transaction. The engine implements it."""

    @abstractmethod
    def send_copy(self, copy: Copy, settling: Settling, incoming: Incoming) -> Future[None]:
        """Resolved when both have happened; fails when neither has."""


class Settling:
    """The settlements of one queue's link."""

    __slots__ = ("_copying", "_decided", "_deliveries", "_messages", "_product", "_queue", "_settled", "_uplink")

    def __init__(
        self,
        queue: str,
        uplink: Uplink,
        product: Product,
        copying: Copying,
        deliveries: OpenDeliveries,
        messages: Prefetched,
        *,
        settled: Callable[[], None],
        decided: Callable[[], None],
    ) -> None:
        """``settled`` is called when there is room for another message, ``decided`` when a transaction is over."""
        self._queue = queue
        self._uplink = uplink
        self._product = product
        self._copying = copying
        self._deliveries = deliveries
        self._messages = messages
        self._settled = settled
        self._decided = decided

    def settle(self, incoming: Incoming, how: How, reason: str, delay: float | None) -> None:
        """Settle a message in the product's way; does nothing if it went back with its link."""
        found = self._deliveries.find(incoming)
        if found is None:
            return
        receiver, delivery_id = found
        if how == "accept":
            self.say(receiver, delivery_id, ACCEPTED)
            return
        held = Held(self._queue, incoming.message, self._deliveries.payload(delivery_id), incoming.delivery_count)
        settlement = self._product.settlement(held, how, reason, delay)
        if settlement.wait:
            self._uplink.later(settlement.wait, lambda: self._say_late(incoming, settlement.outcome))
            return
        if settlement.copy is None:
            self.say(receiver, delivery_id, settlement.outcome)
            return
        self._deliveries.begin_copy(delivery_id)
        try:
            copied = self._copying.send_copy(settlement.copy, self, incoming)
        except Closed as error:
            self._copied(incoming, error)
            return
        copied.when_done(lambda: self._copied(incoming, copied.error))

    def say(self, receiver: Receiver, delivery_id: int, outcome: DeliveryState) -> None:
        """Settle an open delivery with that outcome."""
        receiver.settle(delivery_id, outcome)
        self._deliveries.remove(delivery_id)
        self._settled()

    def _say_late(self, incoming: Incoming, outcome: DeliveryState) -> None:
        """Give back a delivery that was kept here for its delay, unless it went back with its link."""
        found = self._deliveries.find(incoming)
        if found is not None:
            self.say(*found, outcome)

    def _copied(self, incoming: Incoming, error: BaseException | None) -> None:
        self._deliveries.end_copy(incoming)
        if error is not None:
            log.warning("a message of queue '%s' goes back, as its copy was not taken: %s", self._queue, error)
            self._say_late(incoming, self._product.returned)
        self._decided()

    # ------------------------------------------------------------------ transactions

    def check_held(self, incoming: Incoming) -> None:
        """Raises LeaseLost for a message that cannot be accepted any more."""
        self._deliveries.require(incoming)

    def accept_in(self, incoming: Incoming, state: TransactionalState) -> None:
        """Accept a message if the transaction of ``state`` is committed. Raises LeaseLost."""
        receiver, delivery_id = self._deliveries.require(incoming)
        self._deliveries.begin_transaction(delivery_id)
        receiver.settle(delivery_id, state, settled=False)

    def transaction_over(self, incoming: Incoming, *, committed: bool) -> None:
        """The transaction that accepts a message has ended, committed or not."""
        found = self._deliveries.find(incoming)
        if found is None:
            return
        receiver, delivery_id = found
        self._deliveries.end_transaction(delivery_id)
        if committed:
            handle = incoming.handle
            assert isinstance(handle, tuple)
            self._messages.take(handle)
            self.say(receiver, delivery_id, ACCEPTED)
        self._decided()
