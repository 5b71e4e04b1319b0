"""RabbitMQ 4 over AMQP 1.0.

Beyond AMQP 0-9-1 it offers delayed redelivery (4.3), reasons for rejections, and exact counts. These need a quorum
queue, so ``declare`` creates one.
"""

from __future__ import annotations

import time
from typing import Final

from batonmq.engines.amqp10.products.base import Count, Held, Settlement
from batonmq.engines.amqp10.products.carried_counts import count_of, kept_count
from batonmq.engines.amqp10.products.desk import Desk
from batonmq.engines.amqp10.products.paired import PairedProduct
from batonmq.engines.death_headers import REASON
from batonmq.engines.figures import QueueStats
from batonmq.engines.interface import How
from batonmq.engines.messages import Message
from batonmq.engines.rabbitmq_queues import arguments_of
from batonmq.engines.steps import Steps
from batonmq.engines.values import Capabilities, QueueOptions
from batonmq.errors import NotFound, UnsupportedFeature
from batonmq.fields import FieldValue
from batonmq.protocols.amqp10.codec.performatives import Modified, Source
from batonmq.protocols.amqp10.codec.values import Long, Symbol

__all__ = ["RabbitmqProduct"]

_DELIVERY_TIME: Final = Symbol("x-opt-delivery-time")
_REASON: Final = Symbol(REASON)
# Replies come straight to the connection, without a queue (direct reply-to).
_VOLATILE: Final = Symbol("rabbitmq:volatile-queue")


class RabbitmqProduct(PairedProduct):
    """Queues are quorum queues if possible."""

    names = ("RabbitMQ",)
    # A refused link ends its session.
    isolates_links = True
    settles_replies = True

    def __init__(self, desk: Desk) -> None:
        """Raises UnsupportedFeature for a RabbitMQ that speaks AMQP 1.0 through a plugin."""
        super().__init__(desk)
        self._version = desk.announced.release
        # The known quorum queues.
        self._quorum: set[str] = set()
        if self._version < (4,):
            # Seen in 3.10: released and modified messages do not come back, and missing queues are created.
            raise UnsupportedFeature(
                f"amqp10: RabbitMQ {desk.announced.version} loses what is given back over AMQP 1.0; connect to it "
                "with amqp://, or use RabbitMQ 4"
            )

    @property
    def capabilities(self) -> Capabilities:
        is_new = self._version >= (4, 3)
        return Capabilities(
            engine=self.engine_name,
            durable=True,
            ttl=True,
            priority=True,
            release_delay=is_new,
            retry_delay=is_new,
            delivery_count=True,
            max_deliveries=True,
            dead_letter=True,
            max_length=True,
            expires=True,
            single_consumer=True,
            reject_reason=True,
            request=True,
            count=True,
            purge=True,
            replay=True,
            replay_home=True,
            stats=True,
        )

    def reply_source(self) -> Source:
        return Source(
            durable=0,
            expiry_policy=Symbol("link-detach"),
            timeout=0,
            dynamic=True,
            capabilities=[_VOLATILE],
        )

    # ------------------------------------------------------------------ queues

    def arguments(self, options: QueueOptions) -> dict[str, FieldValue]:
        return arguments_of(options, self._version, self.engine_name, is_quorum_better=True)

    def require_source(self, queue: str) -> Steps[None]:
        yield from self._find(queue)

    def require_target(self, queue: str) -> Steps[None]:
        if (yield from self._look_up(queue)) is None:
            raise NotFound(f"no queue '{queue}'")

    def _found(self, queue: str) -> Steps[QueueStats]:
        yield from self._find(queue)
        return (yield from super()._found(queue))

    def _purge(self, queue: str) -> Steps[int]:
        yield from self._find(queue)
        return (yield from super()._purge(queue))

    def _find(self, queue: str) -> Steps[None]:
        """NotFound, UnsupportedFeature for a stream."""
        found = yield from self._look_up(queue)
        if found is None:
            raise NotFound(f"no queue '{queue}'")
        kind = found.get("type")
        if kind == "quorum":
            self._quorum.add(queue)
        else:
            self._quorum.discard(queue)
        if kind == "stream":
            raise UnsupportedFeature(
                f"{self.engine_name}: '{queue}' is a stream of RabbitMQ, and receiving is for queues"
            )

    # ------------------------------------------------------------------ messages

    def count_of(self, message: Message, failures: int, first_acquirer: bool) -> Count:
        return count_of(message, failures)

    def settlement(self, held: Held, how: How, reason: str, delay: float | None) -> Settlement:
        if how == "release":
            annotations = kept_count(held.message)
            if delay and held.queue not in self._quorum:
                # Other types would deliver it again at once.
                return Settlement(Modified(delivery_failed=True, message_annotations=annotations or None), wait=delay)
            if delay:
                annotations[_DELIVERY_TIME] = Long(round((time.time() + delay) * 1000))
            return Settlement(Modified(delivery_failed=True, message_annotations=annotations or None))
        if reason:
            # The reason in `rejected` is dropped; `modified` with undeliverable-here also dead-letters, with
            # annotations.
            return Settlement(Modified(undeliverable_here=True, message_annotations={_REASON: reason}))
        return super().settlement(held, how, reason, delay)
