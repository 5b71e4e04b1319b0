"""Nodes that a link asks for by dynamic=true: a queue or a topic under a name of ours (part 3 §3.5.3, §3.5.4)."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING, Final, cast

from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Source
from batonmq.protocols.amqp10.failures import LinkFailure
from batonmq.protocols.amqp10.nodes.addresses import TOPIC, Address, shown_temporary
from batonmq.protocols.amqp10.nodes.lifetimes import lifetimes_of
from batonmq.protocols.amqp10.nodes.opened import OpenedSource, OpenedTarget
from batonmq.protocols.amqp10.nodes.termini import ON_CLOSE, answered_source, answered_target, arguments_in, lifetime_of
from batonmq.protocols.sessions.topics import TOPIC_EXCHANGE

if TYPE_CHECKING:
    from batonmq.broker import Operations, Queue
    from batonmq.protocols.amqp10.codec.performatives import Target
    from batonmq.protocols.amqp10.terms import Terms

__all__ = ["VOLATILE", "DynamicNodes", "no_queue"]

# RabbitMQ's capability of a source for direct replies.
VOLATILE: Final = "rabbitmq:volatile-queue"
TEMPORARY_TOPIC: Final = "temporary-topic"
TEMPORARY_QUEUE: Final = "temporary-queue"

# The requested capabilities that our attach can contain.
_IN_FORCE: Final = (TEMPORARY_QUEUE, TEMPORARY_TOPIC, VOLATILE)

SETTLED: Final = 1


def no_queue() -> Queue:
    """Stands in for the queue of a source without one; it is never used."""
    return cast("Queue", None)


class DynamicNodes:
    """Creates the dynamic nodes of one connection."""

    __slots__ = ("_dialect", "_operations")

    def __init__(self, terms: Terms, operations: Operations) -> None:
        self._dialect = terms.dialect
        self._operations = operations

    def target(self, target: Target) -> OpenedTarget:
        """A node to send to. Raises LinkFailure, BrokerError."""
        capabilities = _in_force(target)
        if TEMPORARY_TOPIC in capabilities:
            topic = self._topic()
            answer = answered_target(target, address=topic.text, capabilities=capabilities)
            return OpenedTarget(answer, TOPIC_EXCHANGE, topic.routing_key, accepts_unroutable=True)
        # A user who may not write to queues creates none.
        self._operations.resolve("", "")
        queue = self._queue(target)
        address = shown_temporary(queue.name, self._dialect)
        answer = answered_target(target, address=address, capabilities=capabilities)
        return OpenedTarget(answer, "", queue.name, node=queue.name, is_creator=True)

    def source(self, source: Source, snd_settle_mode: int | None) -> OpenedSource:
        """A queue to receive from, or direct replies. Raises LinkFailure, BrokerError."""
        capabilities = _in_force(source)
        if VOLATILE in capabilities and self._dialect.has_rabbitmq_addresses:
            if snd_settle_mode != SETTLED:
                # A reply is in no queue, so it cannot be unsettled.
                text = "direct replies are settled when they are sent: snd-settle-mode is settled"
                raise LinkFailure(conditions.NOT_ALLOWED, text, {"invalid-field": "snd-settle-mode"})
            return OpenedSource(no_queue(), answered_source(source, capabilities=(VOLATILE,)), is_reply=True)
        queue = self._queue(source)
        address = shown_temporary(queue.name, self._dialect)
        answer = answered_source(source, address=address, capabilities=capabilities)
        return OpenedSource(queue, answer, default_outcome=source.default_outcome, node=queue.name, is_creator=True)

    def topic(self, source: Source) -> Address | None:
        """The temporary topic that a source asks for; None: it asks for a queue. Raises LinkFailure."""
        return self._topic() if TEMPORARY_TOPIC in _in_force(source) else None

    def _topic(self) -> Address:
        name = f"temporary.{token_urlsafe(16)}"
        if not self._dialect.has_capabilities:
            raise LinkFailure(conditions.NOT_IMPLEMENTED, "there are no temporary topics in this dialect")
        return Address(shown_temporary(name, self._dialect, is_topic=True), TOPIC, TOPIC_EXCHANGE, name)

    def _queue(self, terminus: Source | Target) -> Queue:
        policy = lifetime_of(terminus)
        arguments = arguments_in(terminus.dynamic_node_properties)
        # A node that may outlive its link may be used by others, too.
        queue = self._operations.declare_queue("", exclusive=policy == ON_CLOSE, arguments=arguments)
        if isinstance(terminus, Source):
            with self._operations.taken_back_if_refused(queue):
                self._operations.require_readable(queue.name)
        lifetimes_of(self._operations.vhost).add(queue.name, policy, has_creator=True)
        return queue


def _in_force(terminus: Source | Target) -> tuple[str, ...]:
    return tuple(name for name in terminus.capabilities or () if name in _IN_FORCE)
