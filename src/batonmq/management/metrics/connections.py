"""Metrics of connections."""

from __future__ import annotations

from batonmq.broker.model.clients import Client
from batonmq.management.metrics.families import Family, Figure, Scope, Source

__all__ = ["CONNECTIONS", "clients_of"]

OCTETS = ("connection_coarse_metrics",)
PACKETS = ("connection_metrics",)


def clients_of(scope: Scope) -> list[Client]:
    """The connections that the requester may see."""
    return [client for client in scope.broker.clients if scope.vhosts is None or client.vhost in scope.vhosts]


async def _connections(scope: Scope) -> list[Client]:
    return clients_of(scope)


async def _gone_connections(scope: Scope) -> tuple[Figure, ...]:
    gone = scope.departed.together()
    return gone["octets_received"], gone["octets_sent"], gone["reads"], gone["writes"], 0, 0, 0


def _read_connection(client: Client) -> tuple[Figure, ...]:
    socket = client.socket
    return (
        socket.octets_received,
        socket.octets_sent,
        socket.reads,
        socket.writes,
        int(socket.pending > 0),
        client.channel_count,
        int(socket.is_held),
    )


# A connection's label is `channel` in RabbitMQ, too.
CONNECTIONS = Source[Client](
    families=(
        Family("rabbitmq_connection_incoming_bytes_total", "counter", "Octets that came", OCTETS),
        Family("rabbitmq_connection_outgoing_bytes_total", "counter", "Octets that were sent", OCTETS),
        Family("rabbitmq_connection_incoming_packets_total", "counter", "Reads that brought something", PACKETS),
        Family("rabbitmq_connection_outgoing_packets_total", "counter", "Writes", PACKETS),
        Family("rabbitmq_connection_pending_packets", "gauge", "1 while the client takes too little", PACKETS),
        Family("rabbitmq_connection_channels", "gauge", "Channels, or sessions", PACKETS),
        Family("batonmq_connection_held", "gauge", "1 while it is read more slowly: flow control", PACKETS),
    ),
    labels=("channel",),
    objects=_connections,
    name=lambda client: (client.name,),
    read=_read_connection,
    gone=_gone_connections,
)
