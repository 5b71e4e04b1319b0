"""Checks that one more connection or channel is within the limits of its user and virtual host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.limits import MAX_CHANNELS, MAX_CONNECTIONS, limit_of
from batonmq.errors import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker.model.access import User
    from batonmq.broker.model.clients import Clients


def require_connection(clients: Clients, user: User, vhost: str, limits: Mapping[str, int]) -> None:
    """Check that a user may open a connection to a virtual host with these limits.

    Raises NotAllowed, in RabbitMQ's words.
    """
    most = limit_of(limits, MAX_CONNECTIONS)
    if most is not None and clients.count_of_vhost(vhost) >= most:
        raise NotAllowed(
            f"access to vhost '{vhost}' refused for user '{user.name}': connection limit ({most}) is reached"
        )
    most = limit_of(user.limits, MAX_CONNECTIONS)
    if most is not None and len(clients.of_user(user.name)) >= most:
        raise NotAllowed(f"connection refused for user '{user.name}': user connection limit ({most}) is reached")


def require_channel(clients: Clients, user: User) -> None:
    """Check that a user may open one more channel, on any connection. Raises NotAllowed, in RabbitMQ's words.

    A session of AMQP 1.0 is a channel here, and a connection of STOMP has one.
    """
    most = limit_of(user.limits, MAX_CHANNELS)
    if most is not None and sum(client.channel_count for client in clients.of_user(user.name)) >= most:
        raise NotAllowed(
            f"number of channels opened for user '{user.name}' has reached the maximum allowed user limit of ({most})"
        )
