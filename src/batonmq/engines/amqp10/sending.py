"""Sends messages to queues that are known to exist. All in the connection's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.engines.futures import Future
from batonmq.engines.steps import run_steps
from batonmq.errors import BatonError
from batonmq.protocols.amqp10.codec.performatives import TransactionalState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batonmq.engines.amqp10.conversion import Conversion
    from batonmq.engines.amqp10.desk import EngineDesk
    from batonmq.engines.amqp10.products.base import Product
    from batonmq.engines.messages import Message

__all__ = ["Sending"]


class Sending:
    """Sends over the links of an engine."""

    __slots__ = ("_conversion", "_desk", "_product", "_requiring")

    def __init__(self, desk: EngineDesk, product: Product, conversion: Conversion) -> None:
        self._desk = desk
        self._product = product
        self._conversion = conversion
        # Queues being looked up before a send.
        self._requiring: dict[str, Future[None]] = {}

    def send(self, queue: str, messages: Sequence[Message], future: Future[None], txn: bytes | None = None) -> None:
        """Send messages to a queue, within the transaction ``txn`` if there is one.

        The future is resolved when the broker has accepted all of them. It fails with ValueError for a message that
        cannot be encoded, and with the broker's error.
        """
        write = self._conversion.write
        try:
            payloads = [write(message) for message in messages]
        except ValueError as error:
            future.fail(error)
            return
        target = self._product.target(queue)
        state = TransactionalState(txn_id=txn) if txn is not None else None
        outlet = self._desk.publisher.find(target.address or "")
        if outlet is not None:
            outlet.send(payloads, future, state)
            return

        def opened() -> None:
            if required.error is not None:
                future.fail(required.error)
                return
            try:
                made = self._desk.publisher.open(target, queue, self._product.sender_properties(queue))
            except BatonError as error:
                future.fail(error)
                return
            made.send(payloads, future, state)

        required = self.require(queue)
        required.when_done(opened, owed=future)

    def require(self, queue: str) -> Future[None]:
        """Look up a queue; fails with NotFound.

        Concurrent calls share one lookup and are answered in order: with separate lookups, messages could overtake each
        other.
        """
        under_way = self._requiring.get(queue)
        if under_way is not None:
            return under_way
        required = run_steps(self._product.require(queue))
        if not required.done:
            self._requiring[queue] = required
            required.when_done(lambda: self._looked_for(queue))
        return required

    def _looked_for(self, queue: str) -> None:
        del self._requiring[queue]
