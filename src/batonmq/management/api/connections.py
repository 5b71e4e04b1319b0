"""Connections: listed, described, closed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from batonmq.broker.model.channels import LinkStatus, SessionStatus
from batonmq.broker.model.clients import Client
from batonmq.management.api.clients import Row, View, require_sight, sees
from batonmq.management.api.ranges import RANGES_QUERY
from batonmq.management.http.call import Call
from batonmq.management.http.errors import BadRequest, Unauthorized, not_found
from batonmq.management.http.listing import LIST_QUERY, listing
from batonmq.management.http.responses import Json, NoContent, Response
from batonmq.management.http.routes import Route, beside_the_store
from batonmq.management.slices import sliced

__all__ = ["ROUTES"]

# The default reason that a client is told.
REASON: Final = "Closed via management plugin"
# Longer reasons are cut off.
REASON_MAX: Final = 1_000


def _find(call: Call) -> Client:
    """The connection that the path names. Raises HttpError: it is missing (404), or the user may not see it (401)."""
    client = call.context.parts.broker.clients.find(call.path["name"])
    if client is None:
        raise not_found()
    require_sight(call.user, client)
    return client


async def _list(call: Call, clients: Sequence[Client]) -> Response:
    return await listing(
        call,
        [client async for client in sliced(clients) if sees(call.user, client)],
        View(call).connection,
        name=lambda client: client.name,
        order=lambda _: (),
    )


async def list_connections(call: Call) -> Response:
    return await _list(call, list(call.context.parts.broker.clients))


async def list_of_vhost(call: Call) -> Response:
    return await _list(call, call.context.parts.broker.clients.of_vhost(call.vhost().name))


async def get_connection(call: Call) -> Response:
    return Json(View(call).connection(_find(call)))


async def list_channels_of(call: Call) -> Response:
    client, view = _find(call), View(call)
    return await listing(
        call,
        client.channel_numbers(),
        lambda number: view.channel(client, number),
        name=str,
        order=lambda _: (),
    )


async def list_sessions_of(call: Call) -> Response:
    sessions = _find(call).sessions()
    if sessions is None:
        raise BadRequest("connection does not use AMQP 1.0")
    return await listing(
        call,
        sessions,
        partial(_describe_session, View(call)),
        name=lambda session: str(session.number),
        order=lambda _: (),
    )


def _describe_session(view: View, session: SessionStatus) -> Row:
    return {
        "channel_number": session.number,
        "handle_max": session.handle_max,
        "next_incoming_id": session.next_incoming_id,
        "incoming_window": session.incoming_window,
        "next_outgoing_id": session.next_outgoing_id,
        "remote_incoming_window": session.remote_incoming_window,
        "outgoing_unsettled_deliveries": session.unsettled,
        "incoming_links": [
            {**_link(link), "target_address": link.address, "snd_settle_mode": link.settles}
            for link in session.incoming
        ],
        "outgoing_links": [
            {
                **_link(link),
                "source_address": link.address,
                "queue_name": link.queue,
                "send_settled": link.settles == "settled",
                "filter": [{"name": "sql-filter", "value": link.selector}] if link.selector else [],
            }
            for link in session.outgoing
        ],
        "message_stats": view.message_stats(session.counts),
    }


def _link(link: LinkStatus) -> Row:
    return {
        "handle": link.handle,
        "link_name": link.name,
        "credit": link.credit,
        "delivery_count": link.delivery_count,
        "max_message_size": link.max_message_size or "unlimited",
    }


# ---------------------------------------------------------------------- by user


def _of_user(call: Call) -> list[Client]:
    """The connections of the user that the path names. Raises Unauthorized if this user may not see them."""
    name = call.path["username"]
    if name != call.user.name and not call.sees_everything:
        raise Unauthorized("User not authorised to access object")
    return call.context.parts.broker.clients.of_user(name)


async def list_of_user(call: Call) -> Response:
    node = call.context.node
    return await listing(
        call,
        _of_user(call),
        lambda client: {"name": client.name, "node": node, "user": client.user, "vhost": client.vhost},
        name=lambda client: client.name,
        order=lambda _: (),
    )


# ---------------------------------------------------------------------- closing


def _reason(call: Call) -> str:
    return call.request.headers.get("x-reason", "").strip()[:REASON_MAX] or REASON


def _require_to_close(call: Call, user: str) -> None:
    """Check that the user may close a connection: one's own, or any for an administrator. Raises Unauthorized."""
    if user != call.user.name and not call.is_administrator:
        raise Unauthorized("User not authorised to access object")


async def close_connection(call: Call) -> Response:
    client = _find(call)
    _require_to_close(call, client.user)
    client.close(_reason(call))
    return NoContent()


async def close_of_user(call: Call) -> Response:
    clients = _of_user(call)
    _require_to_close(call, call.path["username"])
    reason = _reason(call)
    async for client in sliced(clients):
        client.close(reason)
    return NoContent()


QUERY: Final = {**LIST_QUERY, **RANGES_QUERY}
CLOSED: Final = {204: "It is being closed: the client is told why."}

ROUTES = beside_the_store(
    Route("GET", "/api/connections", list_connections, "All connections that the user may see.", query=QUERY),
    Route("GET", "/api/connections/{name}", get_connection, "A connection."),
    Route(
        "DELETE",
        "/api/connections/{name}",
        close_connection,
        "Close a connection; the header X-Reason tells its client why.",
        answers=CLOSED,
    ),
    Route("GET", "/api/connections/{name}/channels", list_channels_of, "The channels of a connection.", query=QUERY),
    Route(
        "GET",
        "/api/connections/{name}/sessions",
        list_sessions_of,
        "The sessions of a connection of AMQP 1.0, with their links.",
        query=QUERY,
    ),
    Route("GET", "/api/connections/username/{username}", list_of_user, "The connections of a user.", query=QUERY),
    Route(
        "DELETE",
        "/api/connections/username/{username}",
        close_of_user,
        "Close all connections of a user; the header X-Reason tells its clients why.",
        answers=CLOSED,
    ),
    Route("GET", "/api/vhosts/{vhost}/connections", list_of_vhost, "The connections to a virtual host.", query=QUERY),
)
