"""exchange.* and queue.* methods: from their fields to the operations of the broker, and to the replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.routing.direct_replies import PREFIX, is_volatile
from batonmq.errors import AccessRefused, NotFound
from batonmq.protocols.amqp091 import methods

if TYPE_CHECKING:
    from batonmq.broker import Broker, Operations


class Topology:
    """What one channel declares, binds and deletes.

    Each method returns its reply; None: none is wanted. All raise BrokerError.
    """

    __slots__ = ("_broker", "_last_queue", "_operations")

    def __init__(self, broker: Broker, operations: Operations) -> None:
        self._broker = broker
        self._operations = operations
        self._last_queue = ""

    def named(self, queue: str) -> str:
        """ "" stands for the queue that was last declared on the channel (§1.7.2.1). Raises NotFound: there is none."""
        if queue:
            return queue
        if self._last_queue:
            return self._last_queue
        raise NotFound("no previously declared queue")

    def declare_exchange(self, m: methods.ExchangeDeclare) -> methods.Method | None:
        """exchange.declare."""
        operations = self._operations
        if m.passive:
            operations.find_exchange(m.exchange)
        else:
            operations.declare_exchange(
                m.exchange,
                m.type,
                durable=m.durable,
                auto_delete=m.auto_delete,
                internal=m.internal,
                arguments=m.arguments,
            )
        return None if m.no_wait else methods.ExchangeDeclareOk()

    def delete_exchange(self, m: methods.ExchangeDelete) -> methods.Method | None:
        """exchange.delete."""
        self._operations.delete_exchange(m.exchange, if_unused=m.if_unused)
        return None if m.no_wait else methods.ExchangeDeleteOk()

    def bind_exchange(self, m: methods.ExchangeBind) -> methods.Method | None:
        """exchange.bind."""
        self._operations.bind_exchange(m.destination, m.source, m.routing_key, m.arguments)
        return None if m.no_wait else methods.ExchangeBindOk()

    def unbind_exchange(self, m: methods.ExchangeUnbind) -> methods.Method | None:
        """exchange.unbind."""
        self._operations.unbind_exchange(m.destination, m.source, m.routing_key, m.arguments)
        return None if m.no_wait else methods.ExchangeUnbindOk()

    def declare_queue(self, m: methods.QueueDeclare) -> methods.Method | None:
        """queue.declare."""
        name = self.named(m.queue) if m.passive else m.queue
        if is_volatile(name):
            return self._declare_volatile(name, m)
        if m.passive:
            queue = self._operations.look_up_queue(name)
            queue.used()
        else:
            queue = self._operations.declare_queue(
                m.queue,
                durable=m.durable,
                exclusive=m.exclusive,
                auto_delete=m.auto_delete,
                arguments=m.arguments,
            )
        self._last_queue = queue.name
        if m.no_wait:
            return None
        self._broker.dispatch_touched()
        return methods.QueueDeclareOk(
            queue=queue.name, message_count=queue.ready_count, consumer_count=len(queue.consumers)
        )

    def _declare_volatile(self, name: str, m: methods.QueueDeclare) -> methods.Method | None:
        """Declaring it only checks that it exists, whatever the flags, as in RabbitMQ.

        Clients that declare each queue before use (Spring, FastStream) declare the pseudo-queue too.
        """
        if not self._operations.vhost.replies.has(name):
            raise NotFound(f"no queue '{name}' in vhost '{self._operations.vhost.name}'")
        self._last_queue = name
        return None if m.no_wait else methods.QueueDeclareOk(queue=name, message_count=0, consumer_count=1)

    def bind_queue(self, m: methods.QueueBind) -> methods.Method | None:
        """queue.bind."""
        queue = self.named(m.queue)
        _not_volatile(queue)
        # With neither a queue nor a key the last declared queue stands for both (§1.7.2.3).
        routing_key = queue if not m.queue and not m.routing_key else m.routing_key
        self._operations.bind_queue(queue, m.exchange, routing_key, m.arguments)
        return None if m.no_wait else methods.QueueBindOk()

    def unbind_queue(self, m: methods.QueueUnbind) -> methods.Method | None:
        """queue.unbind."""
        queue = self.named(m.queue)
        _not_volatile(queue)
        routing_key = queue if not m.queue and not m.routing_key else m.routing_key
        self._operations.unbind_queue(queue, m.exchange, routing_key, m.arguments)
        return methods.QueueUnbindOk()

    def purge_queue(self, m: methods.QueuePurge) -> methods.Method | None:
        """queue.purge."""
        name = self.named(m.queue)
        # An address for replies holds no messages.
        is_address = self._operations.vhost.replies.find(name) is not None
        count = 0 if is_address else self._operations.purge_queue(name)
        return None if m.no_wait else methods.QueuePurgeOk(message_count=count)

    def delete_queue(self, m: methods.QueueDelete) -> methods.Method | None:
        """queue.delete."""
        self._broker.dispatch_touched()
        count = self._operations.delete_queue(self.named(m.queue), if_unused=m.if_unused, if_empty=m.if_empty)
        return None if m.no_wait else methods.QueueDeleteOk(message_count=count)


def _not_volatile(name: str) -> None:
    if name.startswith(PREFIX):
        raise AccessRefused("cannot bind or unbind to a volatile (direct reply-to) queue")
