"""Queues that addresses name: found, or declared if the address asks for it, like ActiveMQ's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.declared import require_equivalent
from batonmq.errors import NotFound
from batonmq.protocols.amqp10.nodes.addresses import QUEUE
from batonmq.protocols.sessions.customs import CustomaryQueues

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import Operations, Queue
    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp10.nodes.addresses import Address
    from batonmq.protocols.amqp10.terms import Terms

__all__ = ["NamedQueues"]


class NamedQueues:
    """The named queues for one connection."""

    __slots__ = ("_customary", "_operations")

    def __init__(self, terms: Terms, operations: Operations) -> None:
        self._customary = CustomaryQueues(terms.dialect.customs, operations)
        self._operations = operations

    def to_read(self, address: Address, arguments: Mapping[str, FieldValue]) -> Queue:
        """The queue that a client receives from. Raises BrokerError."""
        try:
            queue = self._operations.require_readable(_name(address))
        except NotFound:
            # The right to read was checked first, so that no queue is left behind that its creator cannot read.
            if address.kind == QUEUE:
                return self._make(address, arguments)
            raise
        self._check(queue, address, arguments)
        return queue

    def to_write(self, address: Address, arguments: Mapping[str, FieldValue]) -> str:
        """The name of the queue that a client sends to, even an exclusive one of another. Raises BrokerError."""
        operations = self._operations
        name = _name(address)
        # A client without the right must not learn whether the queue exists.
        operations.resolve("", name)
        queue = operations.vhost.queues.get(name)
        if queue is not None:
            self._check(queue, address, arguments)
            return name
        if address.kind == QUEUE:
            return self._make(address, arguments).name
        if operations.vhost.replies.find(name) is None:
            raise NotFound(f"no queue '{name}' in vhost '{operations.vhost.name}'")
        return name

    def _make(self, address: Address, arguments: Mapping[str, FieldValue]) -> Queue:
        name = _name(address)
        queue = self._operations.declare_queue(
            name, durable=True, arguments=arguments, defaults=self._customary.defaults(name, arguments)
        )
        with self._operations.taken_back_if_refused(queue):
            self._customary.complete(queue, address.topic)
        return queue

    def _check(self, queue: Queue, address: Address, arguments: Mapping[str, FieldValue]) -> None:
        """Compare a queue with the client's properties for it; only those that it names are compared."""
        if arguments:
            described = f"queue '{queue.name}' in vhost '{self._operations.vhost.name}'"
            require_equivalent(queue.arguments, arguments, described, tuple(arguments))
        if address.kind == QUEUE:
            self._customary.complete(queue, address.topic)
            queue.used()


def _name(address: Address) -> str:
    return address.routing_key or ""
