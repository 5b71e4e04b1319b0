"""exchange.* and queue.* methods: from their fields to the operations of the broker, and to the replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.routing.direct_replies import PREFIX, is_volatile
from batonmq.errors import AccessRefused, NotFound
from batonmq.protocols.amqp091 import methods

if TYPE_CHECKING:
    from batonmq.protocols.amqp091.channel import Channel


def exchange_declare(channel: Channel, m: methods.ExchangeDeclare) -> methods.Method | None:
    operations = channel.session.operations
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


def exchange_delete(channel: Channel, m: methods.ExchangeDelete) -> methods.Method | None:
    channel.session.operations.delete_exchange(m.exchange, if_unused=m.if_unused)
    return None if m.no_wait else methods.ExchangeDeleteOk()


def exchange_bind(channel: Channel, m: methods.ExchangeBind) -> methods.Method | None:
    channel.session.operations.bind_exchange(m.destination, m.source, m.routing_key, m.arguments)
    return None if m.no_wait else methods.ExchangeBindOk()


def exchange_unbind(channel: Channel, m: methods.ExchangeUnbind) -> methods.Method | None:
    channel.session.operations.unbind_exchange(m.destination, m.source, m.routing_key, m.arguments)
    return None if m.no_wait else methods.ExchangeUnbindOk()


def queue_declare(channel: Channel, m: methods.QueueDeclare) -> methods.Method | None:
    session = channel.session
    name = _named(channel, m.queue) if m.passive else m.queue
    if is_volatile(name):
        return _declare_volatile(channel, name, m)
    if m.passive:
        queue = session.operations.look_up_queue(name)
        queue.used()
    else:
        queue = session.operations.declare_queue(
            m.queue,
            durable=m.durable,
            exclusive=m.exclusive,
            auto_delete=m.auto_delete,
            arguments=m.arguments,
        )
    channel.last_queue = queue.name
    if m.no_wait:
        return None
    session.broker.dispatch_touched()
    return methods.QueueDeclareOk(
        queue=queue.name, message_count=queue.ready_count, consumer_count=len(queue.consumers)
    )


def _declare_volatile(channel: Channel, name: str, m: methods.QueueDeclare) -> methods.Method | None:
    """It is there or not, and is never made, whatever flags are given: RabbitMQ's way to ask whether somebody waits.

    Clients that declare each queue before they use it (Spring, FastStream) declare the pseudo-queue too.
    """
    if not channel.session.vhost.replies.has(name):
        raise NotFound(f"no queue '{name}' in vhost '{channel.session.vhost.name}'")
    channel.last_queue = name
    return None if m.no_wait else methods.QueueDeclareOk(queue=name, message_count=0, consumer_count=1)


def queue_bind(channel: Channel, m: methods.QueueBind) -> methods.Method | None:
    queue = _named(channel, m.queue)
    _not_volatile(queue)
    # With neither a queue nor a key the last declared queue stands for both (§1.7.2.3).
    routing_key = queue if not m.queue and not m.routing_key else m.routing_key
    channel.session.operations.bind_queue(queue, m.exchange, routing_key, m.arguments)
    return None if m.no_wait else methods.QueueBindOk()


def queue_unbind(channel: Channel, m: methods.QueueUnbind) -> methods.Method | None:
    queue = _named(channel, m.queue)
    _not_volatile(queue)
    routing_key = queue if not m.queue and not m.routing_key else m.routing_key
    channel.session.operations.unbind_queue(queue, m.exchange, routing_key, m.arguments)
    return methods.QueueUnbindOk()


def queue_purge(channel: Channel, m: methods.QueuePurge) -> methods.Method | None:
    name = _named(channel, m.queue)
    # An address of replies holds nothing.
    is_address = channel.session.vhost.replies.find(name) is not None
    count = 0 if is_address else channel.session.operations.purge_queue(name)
    return None if m.no_wait else methods.QueuePurgeOk(message_count=count)


def queue_delete(channel: Channel, m: methods.QueueDelete) -> methods.Method | None:
    session = channel.session
    session.broker.dispatch_touched()
    count = session.operations.delete_queue(_named(channel, m.queue), if_unused=m.if_unused, if_empty=m.if_empty)
    return None if m.no_wait else methods.QueueDeleteOk(message_count=count)


def _not_volatile(name: str) -> None:
    if name.startswith(PREFIX):
        raise AccessRefused("cannot bind or unbind to a volatile (direct reply-to) queue")


def _named(channel: Channel, name: str) -> str:
    """ "" stands for the queue that was last declared on the channel (§1.7.2.1)."""
    if name:
        return name
    if channel.last_queue:
        return channel.last_queue
    raise NotFound("no previously declared queue")


named_queue = _named
