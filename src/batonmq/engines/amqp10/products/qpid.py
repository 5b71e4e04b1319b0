"""Apache Qpid Broker-J: queues by its AMQP management, dead letters by alternate bindings and by copies of ours.

Broker-J counts a ``rejected`` message and delivers it again: so to give a message up it is accepted, in one transaction
with a copy to the dead letter queue. The broker's own operations for dropping and moving also drop held messages, and
count messages that they did not move. So messages are received and accepted here instead.
"""

from __future__ import annotations

from batonmq.engines.amqp10.products.base import ACCEPTED, Copy, Count, Held, Product, Settlement
from batonmq.engines.amqp10.products.copies import copied
from batonmq.engines.amqp10.products.desk import Desk
from batonmq.engines.amqp10.products.qpid_queues import QpidQueues, Rules, attributes_of
from batonmq.engines.death_headers import REASON
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.interface import How
from batonmq.engines.messages import Message
from batonmq.engines.steps import Steps
from batonmq.engines.values import Capabilities, Fate, QueueOptions
from batonmq.protocols.amqp10.codec.performatives import Source, Target

__all__ = ["QpidProduct"]


class QpidProduct(Product):
    """Broker-J, tried with 9.2."""

    engine_name = "qpid"
    keeps_payloads = True

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._queues = QpidQueues(desk)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            engine=self.engine_name,
            durable=True,
            ttl=True,
            priority=True,
            group=True,
            max_deliveries=True,
            dead_letter=True,
            max_length=True,
            reject_reason=True,
            request=True,
            transactions=True,
            peek=True,
            count=True,
            purge=True,
            replay=True,
            queues=True,
            stats=True,
            until_empty=True,
            atomic_replay=True,
        )

    @property
    def system(self) -> str:
        return "qpid"

    # ------------------------------------------------------------------ addresses

    def target(self, queue: str) -> Target:
        return Target(address=queue)

    def source(self, queue: str) -> Source:
        return Source(address=queue)

    # ------------------------------------------------------------------ queues

    def check_declare(self, queue: str, options: QueueOptions) -> None:
        attributes_of(queue, options)

    def declare(self, queue: str, options: QueueOptions) -> Steps[None]:
        return self._queues.declare(queue, options)

    def delete(self, queue: str) -> Steps[None]:
        return self._queues.delete(queue)

    def require(self, queue: str) -> Steps[None]:
        # A link may also lead to an exchange, which accepts and drops a message if no queue is bound for it.
        yield from self._queues.look_up(queue)

    def fate(self, queue: str) -> Fate | None:
        rules = self._queues.known(queue)
        return None if rules is None else Fate(rules.dead_letter, rules.max_deliveries)

    def count(self, queue: str) -> Steps[int]:
        return (yield from self._queues.stats(queue)).ready

    def queues(self) -> Steps[list[QueueInfo]]:
        return [QueueInfo(name) for name in (yield from self._queues.names())]

    def stats(self, queue: str) -> Steps[QueueStats]:
        return self._queues.stats(queue)

    # ------------------------------------------------------------------ messages

    def count_of(self, message: Message, failures: int, first_acquirer: bool) -> Count:
        # ``first_acquirer`` is no help: a message that came back unseen was at another receiver.
        return Count(failures + 1, failures > 0)

    def settlement(self, held: Held, how: How, reason: str, delay: float | None) -> Settlement:
        if how == "release":
            return super().settlement(held, how, reason, delay)
        rules = self._queues.known(held.queue) or Rules()
        if rules.dead_letter is None:
            return Settlement(ACCEPTED)
        headers = {REASON: reason} if reason else {}
        payload = copied(held.payload, headers=headers, is_kept=lambda _: True)
        return Settlement(copy=Copy(self.target(rules.dead_letter), payload, rules.dead_letter))
