"""Requests about queues: look one up, declare, purge, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.protocols.amqp10.codec.values import UInt, ULong
from batonmq.protocols.amqp10.management.arguments import from_arguments, to_arguments
from batonmq.protocols.amqp10.management.requests import Answer, BadRequest, Request, body_fields

if TYPE_CHECKING:
    from batonmq.broker import Operations, Queue

_DEFAULTS: Final = {"durable": True, "exclusive": False, "auto_delete": False, "arguments": {}}


class QueueRequests:
    """Of one connection."""

    __slots__ = ("_node", "_operations")

    def __init__(self, operations: Operations, node: str) -> None:
        """``node`` is the broker's name, which RabbitMQ's clients take for that of the queue's leader."""
        self._operations = operations
        self._node = node

    def get(self, name: str) -> Answer:
        """GET /queues/NAME. Raises NotFound, AccessRefused."""
        return Answer(200, self._shown(self._operations.look_up_queue(name)))

    def put(self, name: str, request: Request) -> Answer:
        """PUT /queues/NAME. Raises BadRequest, BrokerError."""
        fields = body_fields(request, _DEFAULTS, "queue")
        if not name:
            raise BadRequest(400, "declare queue with empty name not allowed")
        _check_name(name)
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
        """DELETE /queues/NAME; one that is not there was empty. Raises AccessRefused, ResourceLocked."""
        _check_name(name)
        return _counted(self._operations.delete_queue(name))

    def purge(self, name: str) -> Answer:
        """DELETE /queues/NAME/messages. Raises NotFound, AccessRefused, ResourceLocked."""
        return _counted(self._operations.purge_queue(name))

    def _shown(self, queue: Queue) -> dict[str, object]:
        return {
            "message_count": ULong(queue.ready_count),
            "consumer_count": UInt(len(queue.consumers)),
            "name": queue.name,
            "vhost": self._operations.vhost.name,
            "durable": queue.durable,
            "auto_delete": queue.auto_delete,
            "exclusive": queue.exclusive,
            "type": str(queue.arguments.get("x-queue-type", "classic")),
            "arguments": from_arguments(queue.arguments),
            "leader": self._node,
            "replicas": [self._node],
        }


def _counted(count: int) -> Answer:
    return Answer(200, {"message_count": ULong(count)})


def _check_name(name: str) -> None:
    """They would forge lines in logs and listings. Raises BadRequest."""
    if "\n" in name or "\r" in name:
        raise BadRequest(400, f"bad name {name[:64]!r}: line feed and carriage return are not allowed")
