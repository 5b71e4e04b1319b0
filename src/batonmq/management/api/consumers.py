"""Lists the consumers of all virtual hosts or of one."""

from __future__ import annotations

from collections.abc import Iterable

from batonmq.broker.model.consumer import Consumer
from batonmq.broker.queues.queue import Queue
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.management.api.clients import describe_consumer, each_consumer, sees
from batonmq.management.http.call import Call
from batonmq.management.http.listing import LIST_QUERY, listing
from batonmq.management.http.responses import Response
from batonmq.management.http.routes import Route

__all__ = ["ROUTES"]


def _is_shown(call: Call, consumer: Consumer) -> bool:
    subscriber = consumer.subscriber()
    return subscriber is not None and sees(call.user, subscriber.client)


async def _list(call: Call, vhosts: Iterable[VirtualHost]) -> Response:
    node = call.context.node
    found: list[tuple[Queue, Consumer]] = []
    for vhost in vhosts:
        async for queue, consumer in each_consumer(list(vhost.queues.values())):
            if _is_shown(call, consumer):
                found.append((queue, consumer))
    return await listing(
        call,
        found,
        lambda each: describe_consumer(*each, node),
        name=lambda each: each[1].tag,
        order=lambda _: (),
    )


async def list_consumers(call: Call) -> Response:
    return await _list(call, call.vhosts())


async def list_of_vhost(call: Call) -> Response:
    return await _list(call, [call.vhost()])


ROUTES = (
    Route("GET", "/api/consumers", list_consumers, "All consumers that the user may see.", query=LIST_QUERY),
    Route("GET", "/api/consumers/{vhost}", list_of_vhost, "The consumers of a virtual host.", query=LIST_QUERY),
)
