"""Requests about queues: get, declare, purge, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.model.settings import CLASSIC
from batonmq.protocols.amqp10.codec.values import Array, UInt, ULong
from batonmq.protocols.amqp10.management.arguments import from_arguments, to_arguments
from batonmq.protocols.amqp10.management.requests import Answer, BadRequest, Request, body_fields, check_name
from batonmq.protocols.amqp10.messages.field_values import text_or_octets

if TYPE_CHECKING:
    from batonmq.broker import Operations, Queue

# RabbitMQ's name for the type of what is no queue, but has the address of one.
_REPLIES: Final = "rabbit_volatile_queue"
_TYPE: Final = "x-queue-type"
_DEFAULTS: Final = {"durable": True, "exclusive": False, "auto_delete": False, "arguments": {}}


class QueueRequests:
    """The requests of one connection."""

    __slots__ = ("_node", "_operations")

    def __init__(self, operations: Operations, node: str) -> None:
        """``node`` is the broker's name, which RabbitMQ's clients take for that of the queue's leader."""
        self._operations = operations
        self._node = node

    def get(self, name: str) -> Answer:
        """GET /queues/NAME: also an exclusive queue of another connection, as with RabbitMQ. Raises AccessRefused."""
        queue = self._operations.see_queue(name)
        if queue is not None:
            return Answer(200, self._shown(queue))
        if self._operations.vhost.replies.find(name) is not None:
            return Answer(200, self._shown_replies(name))
        return Answer(404, f"queue '{name}' in vhost '{self._operations.vhost.name}' not found")

    def put(self, name: str, request: Request) -> Answer:
        """PUT /queues/NAME. Raises BadRequest, BrokerError."""
        fields = body_fields(request, _DEFAULTS, "queue property")
        if not name:
            raise BadRequest(400, "declare queue with empty name not allowed")
        check_name(name)
        is_new = name not in self._operations.vhost.queues
        queue = self._operations.declare_queue(
            name,
            durable=bool(fields["durable"]),
            exclusive=bool(fields["exclusive"]),
            auto_delete=bool(fields["auto_delete"]),
            arguments=to_arguments(fields["arguments"]),
        )
        return Answer(201 if is_new else 200, self._shown(queue))

    def delete(self, name: str) -> Answer:
        """DELETE /queues/NAME; a missing queue counts as empty. Raises AccessRefused, ResourceLocked."""
        check_name(name)
        return _counted(self._operations.delete_queue(name))

    def purge(self, name: str) -> Answer:
        """DELETE /queues/NAME/messages. Raises NotFound, AccessRefused, ResourceLocked."""
        return _counted(self._operations.purge_queue(name))

    def _shown(self, queue: Queue) -> dict[str, object]:
        kind = str(queue.arguments.get(_TYPE, CLASSIC))
        return {
            "leader": self._node,
            "replicas": Array(str, [self._node]),
            "message_count": ULong(queue.ready_count),
            "consumer_count": UInt(len(queue.consumers)),
            "name": text_or_octets(queue.name),
            "vhost": self._operations.vhost.name,
            "durable": queue.durable,
            "auto_delete": queue.auto_delete,
            "exclusive": queue.exclusive,
            "type": kind,
            # RabbitMQ shows the type even of a queue that was declared without one.
            "arguments": {_TYPE: kind, **from_arguments(queue.arguments)},
        }

    def _shown_replies(self, name: str) -> dict[str, object]:
        """Where direct replies are awaited: who is to answer can ask whether anybody still waits."""
        return {
            "leader": self._node,
            "replicas": Array(str, []),
            "message_count": ULong(0),
            "consumer_count": UInt(1),
            "name": name,
            "vhost": self._operations.vhost.name,
            "durable": False,
            "auto_delete": True,
            "exclusive": False,
            "type": _REPLIES,
            "arguments": {},
        }


def _counted(count: int) -> Answer:
    return Answer(200, {"message_count": ULong(count)})
