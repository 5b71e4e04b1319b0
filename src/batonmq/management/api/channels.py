"""Channels: listed and described. Sessions of AMQP 1.0 are listed with their connection instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from batonmq.broker.model.clients import Client
from batonmq.management.api.clients import (
    View,
    channel_name,
    describe_consumer,
    each_consumer,
    require_sight,
    sees,
)
from batonmq.management.api.ranges import RANGES_QUERY
from batonmq.management.http.call import Call
from batonmq.management.http.errors import not_found
from batonmq.management.http.listing import LIST_QUERY, listing
from batonmq.management.http.responses import Json, Response
from batonmq.management.http.routes import Route
from batonmq.management.slices import sliced

__all__ = ["ROUTES"]

# The name of a connection, and the number of a channel.
_NAME: Final = re.compile(r"(.*) \(([0-9]{1,5})\)", re.DOTALL)


async def _list(call: Call, clients: Sequence[Client]) -> Response:
    view = View(call)
    found: list[tuple[Client, int]] = []
    async for client in sliced(clients):
        if sees(call.user, client):
            found += [(client, number) for number in client.channel_numbers()]
    return await listing(
        call,
        found,
        lambda each: view.channel(*each),
        name=lambda each: channel_name(*each),
        order=lambda _: (),
    )


async def list_channels(call: Call) -> Response:
    return await _list(call, list(call.context.parts.broker.clients))


async def list_of_vhost(call: Call) -> Response:
    return await _list(call, call.context.parts.broker.clients.of_vhost(call.vhost().name))


async def get_channel(call: Call) -> Response:
    parts, node = call.context.parts, call.context.node
    match = _NAME.fullmatch(call.path["name"])
    client = parts.broker.clients.find(match[1]) if match is not None else None
    if match is None or client is None:
        raise not_found()
    require_sight(call.user, client)
    number = int(match[2])
    if client.channel(number) is None:
        raise not_found()
    row = View(call).channel(client, number)
    vhost = parts.broker.vhosts.get(client.vhost)
    row["consumer_details"] = [
        describe_consumer(queue, consumer, node)
        async for queue, consumer in each_consumer(list(vhost.queues.values()) if vhost is not None else [])
        if (subscriber := consumer.subscriber()) is not None
        and subscriber.client is client
        and subscriber.channel == number
    ]
    return Json(row)


QUERY: Final = {**LIST_QUERY, **RANGES_QUERY}

ROUTES = (
    Route("GET", "/api/channels", list_channels, "All channels that the user may see.", query=QUERY),
    Route("GET", "/api/channels/{name}", get_channel, "A channel, with its consumers."),
    Route(
        "GET",
        "/api/vhosts/{vhost}/channels",
        list_of_vhost,
        "The channels of connections to a virtual host.",
        query=QUERY,
    ),
)
