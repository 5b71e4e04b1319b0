"""Metrics of connections and their channels, of all clients of a protocol, and of log-ins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batonmq.broker.model.clients import Client
from batonmq.management.metrics.departed import protocol_word
from batonmq.management.metrics.families import Family, Figure, Scope, Source
from batonmq.management.slices import sliced
from batonmq.server.log_in_counts import Outcomes

__all__ = ["CHANNELS", "CONNECTIONS", "LOG_INS", "PROTOCOLS"]

# ---------------------------------------------------------------------- connections

OCTETS = ("connection_coarse_metrics",)
PACKETS = ("connection_metrics",)


def _clients(scope: Scope) -> list[Client]:
    return [client for client in scope.broker.clients if scope.vhosts is None or client.vhost in scope.vhosts]


async def _connections(scope: Scope) -> list[Client]:
    return _clients(scope)


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

# ---------------------------------------------------------------------- channels


@dataclass(frozen=True, slots=True)
class _Channel:
    """A channel, or a session of AMQP 1.0, as it is now."""

    client: Client
    number: int
    counts: Mapping[str, int]
    consumers: int = 0
    unacked: int = 0
    unconfirmed: int = 0
    uncommitted: int = 0
    uncommitted_acks: int = 0
    prefetch: int = 0
    shared_prefetch: int = 0
    publishes: bool = False

    @property
    def name(self) -> str:
        """Under which it is listed."""
        return f"{self.client.name} ({self.number})"


_Place = tuple[Client, int | None]
"""A connection and the number of a channel; None: all sessions of one that has no channels."""


def _places(client: Client) -> list[_Place]:
    if protocol_word(client) == "amqp10":
        return [(client, None)]
    return [(client, number) for number in client.channel_numbers()]


def _channels_at(place: _Place) -> Sequence[_Channel]:
    client, number = place
    if number is None:
        return [
            _Channel(
                client,
                session.number,
                session.counts.listed(),
                consumers=len(session.outgoing),
                unacked=session.unsettled,
                publishes=bool(session.incoming),
            )
            for session in client.sessions() or ()
        ]
    channel = client.channel(number)
    if channel is None:
        return ()
    counts = channel.counts.listed()
    return (
        _Channel(
            client,
            number,
            counts,
            consumers=channel.consumers,
            unacked=channel.unacknowledged,
            unconfirmed=channel.unconfirmed,
            uncommitted=channel.uncommitted,
            uncommitted_acks=channel.uncommitted_acks,
            prefetch=channel.prefetch,
            shared_prefetch=channel.shared_prefetch,
            publishes=counts["published"] > 0,
        ),
    )


async def _all_places(scope: Scope) -> list[_Place]:
    return [place async for client in sliced(_clients(scope)) for place in _places(client)]


STATE = ("channel_metrics",)
EXCHANGE = ("channel_exchange_metrics",)
QUEUE = ("channel_queue_metrics",)


def _messages(counts: Mapping[str, int]) -> tuple[Figure, ...]:
    fetched, fetched_no_ack = counts.get("fetched", 0), counts.get("fetched_no_ack", 0)
    no_ack = counts.get("delivered_no_ack", 0)
    return (
        counts.get("published", 0),
        counts.get("confirmed", 0),
        counts.get("unroutable", 0),
        counts.get("dropped", 0),
        fetched - fetched_no_ack,
        fetched_no_ack,
        counts.get("delivered", 0) - no_ack - fetched,
        no_ack,
        counts.get("redelivered", 0),
        counts.get("accepted", 0),
        counts.get("fetched_empty", 0),
    )


async def _all_messages(scope: Scope) -> tuple[Figure, ...]:
    # Connections also know what channels that are closed have counted.
    total = scope.departed.together()
    async for client in sliced(_clients(scope)):
        total.update(client.counts.listed())
    return _messages(total)


CHANNELS = (
    Source[_Channel](
        families=(
            Family("rabbitmq_channel_consumers", "gauge", "Consumers of channels", STATE),
            Family("rabbitmq_channel_messages_unacked", "gauge", "Messages that the client holds", STATE),
            Family("rabbitmq_channel_messages_unconfirmed", "gauge", "Published and not confirmed yet", STATE),
            Family("rabbitmq_channel_messages_uncommitted", "gauge", "Messages in open transactions", STATE),
            Family("rabbitmq_channel_acks_uncommitted", "gauge", "Acknowledgements in open transactions", STATE),
            Family("rabbitmq_consumer_prefetch", "gauge", "What a new consumer may hold; 0: no limit", STATE),
            Family("rabbitmq_channel_prefetch", "gauge", "What all consumers may hold; 0: no limit", STATE),
        ),
        labels=("channel",),
        objects=_all_places,
        split=_channels_at,
        name=lambda channel: (channel.name,),
        read=lambda channel: (
            channel.consumers,
            channel.unacked,
            channel.unconfirmed,
            channel.uncommitted,
            channel.uncommitted_acks,
            channel.prefetch,
            channel.shared_prefetch,
        ),
    ),
    Source[_Channel](
        families=(
            Family("rabbitmq_channel_messages_published_total", "counter", "Messages that came", EXCHANGE),
            Family("rabbitmq_channel_messages_confirmed_total", "counter", "Of these, confirmed", EXCHANGE),
            Family("rabbitmq_channel_messages_unroutable_returned_total", "counter", "Of these, returned", EXCHANGE),
            Family(
                "rabbitmq_channel_messages_unroutable_dropped_total", "counter", "Of these, wanted by none", EXCHANGE
            ),
            Family("rabbitmq_channel_get_ack_total", "counter", "Messages fetched that need an answer", QUEUE),
            Family("rabbitmq_channel_get_total", "counter", "Messages fetched that need none", QUEUE),
            Family("rabbitmq_channel_messages_delivered_ack_total", "counter", "Deliveries that need an answer", QUEUE),
            Family("rabbitmq_channel_messages_delivered_total", "counter", "Deliveries that need none", QUEUE),
            Family("rabbitmq_channel_messages_redelivered_total", "counter", "Deliveries of what had come back", QUEUE),
            Family("rabbitmq_channel_messages_acked_total", "counter", "Messages that were acknowledged", QUEUE),
            Family("rabbitmq_channel_get_empty_total", "counter", "Fetches that found nothing", QUEUE),
        ),
        labels=("channel", "vhost"),
        objects=_all_places,
        split=_channels_at,
        name=lambda channel: (channel.name, channel.client.vhost),
        read=lambda channel: _messages(channel.counts),
        total=_all_messages,
    ),
)

# ---------------------------------------------------------------------- protocols


@dataclass(frozen=True, slots=True)
class _Protocol:
    word: str
    counts: Mapping[str, int]


async def _protocols(scope: Scope) -> list[_Protocol]:
    # What a client counts until it is gone is kept where it goes: both are read at once.
    totals = {word: Counter(scope.departed.of(word)) for word in scope.departed}
    clients = list(scope.broker.clients)
    async for client in sliced(clients):
        totals[protocol_word(client)].update(client.counts.listed())
    async for place in sliced([place for client in clients for place in _places(client)]):
        total = totals[protocol_word(place[0])]
        for channel in _channels_at(place):
            total["consumers"] += channel.consumers
            total["publishers"] += channel.publishes
            total["unconfirmed"] += channel.unconfirmed
    return [_Protocol(word, total) for word, total in totals.items()]


def _read_protocol(protocol: _Protocol) -> tuple[Figure, ...]:
    counts = protocol.counts
    published, returned, dropped = (counts.get(name, 0) for name in ("published", "unroutable", "dropped"))
    confirmed = counts.get("confirmed", 0)
    return (
        counts.get("consumers", 0),
        counts.get("publishers", 0),
        published,
        confirmed + counts.get("refused", 0) + counts.get("unconfirmed", 0),
        confirmed,
        published - returned - dropped,
        returned,
        dropped,
    )


def _read_deliveries(protocol: _Protocol) -> tuple[Figure, ...]:
    counts = protocol.counts
    _, _, _, _, get_ack, get, deliver_ack, deliver, redelivered, acked, empty = _messages(counts)
    return counts.get("delivered", 0), deliver_ack, deliver, get_ack, get, empty, redelivered, acked


PROTOCOLS = (
    Source[_Protocol](
        families=(
            Family("rabbitmq_global_consumers", "gauge", "Consumers"),
            Family("rabbitmq_global_publishers", "gauge", "Channels that have published"),
            Family("rabbitmq_global_messages_received_total", "counter", "Messages that came"),
            Family("rabbitmq_global_messages_received_confirm_total", "counter", "Of these, to be confirmed"),
            Family("rabbitmq_global_messages_confirmed_total", "counter", "Messages confirmed to publishers"),
            Family("rabbitmq_global_messages_routed_total", "counter", "Messages that a queue wanted"),
            Family("rabbitmq_global_messages_unroutable_returned_total", "counter", "Wanted by none, and returned"),
            Family("rabbitmq_global_messages_unroutable_dropped_total", "counter", "Wanted by none, and dropped"),
        ),
        labels=("protocol",),
        objects=_protocols,
        name=lambda protocol: (protocol.word,),
        read=_read_protocol,
    ),
    Source[_Protocol](
        families=(
            Family("rabbitmq_global_messages_delivered_total", "counter", "Messages delivered, or fetched"),
            Family("rabbitmq_global_messages_delivered_consume_manual_ack_total", "counter", "That need an answer"),
            Family("rabbitmq_global_messages_delivered_consume_auto_ack_total", "counter", "That need none"),
            Family("rabbitmq_global_messages_delivered_get_manual_ack_total", "counter", "Fetched, with an answer"),
            Family("rabbitmq_global_messages_delivered_get_auto_ack_total", "counter", "Fetched, without an answer"),
            Family("rabbitmq_global_messages_get_empty_total", "counter", "Fetches that found nothing"),
            Family("rabbitmq_global_messages_redelivered_total", "counter", "Deliveries of what had come back"),
            Family("rabbitmq_global_messages_acknowledged_total", "counter", "Messages acknowledged"),
        ),
        labels=("protocol", "queue_type"),
        objects=_protocols,
        # Every queue counts as a classic one: connections do not tell them apart.
        name=lambda protocol: (protocol.word, "rabbit_classic_queue"),
        read=_read_deliveries,
    ),
)

# ---------------------------------------------------------------------- log-ins

ATTEMPTS = ("auth_attempt_metrics",)


async def _attempts(scope: Scope) -> list[tuple[str, Outcomes]]:
    return list(scope.context.parts.log_ins.counts.by_protocol())


LOG_INS = Source[tuple[str, Outcomes]](
    families=(
        Family("rabbitmq_auth_attempts_total", "counter", "Log-ins that were tried", ATTEMPTS),
        Family("rabbitmq_auth_attempts_succeeded_total", "counter", "Log-ins that were let in", ATTEMPTS),
        Family("rabbitmq_auth_attempts_failed_total", "counter", "Log-ins that were refused", ATTEMPTS),
        Family("batonmq_log_ins_blocked_total", "counter", "Refused, as too many from there had failed", ATTEMPTS),
    ),
    labels=("protocol",),
    objects=_attempts,
    name=lambda found: (found[0],),
    read=lambda found: (found[1].attempts, found[1].succeeded, found[1].refused, found[1].blocked),
)
