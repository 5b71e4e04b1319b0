"""Requests about the broker as a whole: its virtual hosts and its connections, with their counters."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from batonmq.broker.management.rights import sees, sees_all
from batonmq.broker.management.sums import VirtualHostSums
from batonmq.errors import AccessRefused, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.management.request import Answer, Request
    from batonmq.broker.model.clients import Client
    from batonmq.broker.model.sockets import TlsTerms

# The default reason that a client is told.
CLOSED_BY_REQUEST: Final = "closed by a management request"


def _vhosts(request: Request) -> Answer | None:
    user, directory = request.operations.user, request.operations.vhost.directory
    connections = Counter(client.vhost for client in directory.clients)
    vhosts = {name: vhost for name, vhost in sorted(directory.vhosts.items()) if sees_all(user) or user.may_open(name)}
    return VirtualHostSums(request, vhosts, connections).answer()


def _connections(request: Request) -> Answer:
    user = request.operations.user
    can_store = request.operations.vhost.scheduler.store.error is None
    return {
        "connections": [
            _describe(client, can_store=can_store)
            for client in request.operations.vhost.directory.clients
            if sees(user, client)
        ]
    }


def _describe(client: Client, *, can_store: bool) -> Answer:
    said = client.introduction
    socket = client.socket
    return {
        "connection": client.name,
        "peer": client.peer,
        "user": client.user,
        "vhost": client.vhost,
        "protocol": said.protocol,
        "client": said.product or None,
        "name": said.name or None,
        "state": client.state(can_store=can_store),
        "channels": client.channel_count,
        "mechanism": said.mechanism,
        "heartbeat": said.heartbeat,
        "tls": _tls(socket.tls) if socket.tls is not None else None,
        "connected_at": client.connected_at,
        "octets": {"received": socket.octets_received, "sent": socket.octets_sent, "pending": socket.pending},
        "counters": client.counts.listed(),
    }


def _tls(terms: TlsTerms) -> Answer:
    certificate = terms.certificate
    return {
        "protocol": terms.protocol,
        "cipher": terms.cipher,
        "certificate": asdict(certificate) if certificate is not None else None,
    }


def _close(request: Request) -> Answer:
    """A connection of the user's own, or anybody's for an administrator. Raises NotFound, AccessRefused."""
    name = request.text("connection")
    user = request.operations.user
    clients = request.operations.vhost.directory.clients
    # The client's address is enough if it is unique; sockets are identified by both ends.
    found = [client for client in clients if client.peer == name]
    client = clients.find(name) or (found[0] if len(found) == 1 else None)
    if client is None or not sees(user, client):
        raise NotFound(f"no connection '{name}'")
    if client.user != user.name and "administrator" not in user.tags:
        raise AccessRefused(f"only an administrator closes connections of others, such as '{name}'")
    client.close(request.optional_text("reason") or CLOSED_BY_REQUEST)
    return {}


def _close_all(request: Request) -> Answer:
    """All connections of a user, or of everybody, except the requesting one. Raises AccessRefused."""
    user, name = request.operations.user, request.optional_text("user")
    if name != user.name and "administrator" not in user.tags:
        raise AccessRefused("only an administrator closes connections of others")
    reason = request.optional_text("reason") or CLOSED_BY_REQUEST
    clients = request.operations.vhost.directory.clients
    # The owner of its operations is the link that has its client.
    own = getattr(request.operations.owner, "client", None)
    found = [client for client in (clients if name is None else clients.of_user(name)) if client is not own]
    for client in found:
        client.close(reason)
    return {"count": len(found)}


LISTING_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    "vhosts.list": _vhosts,
    "connections.list": _connections,
    "connections.close": _close,
    "connections.close_all": _close_all,
}
