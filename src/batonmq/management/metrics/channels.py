"""Metrics of channels, and of sessions of AMQP 1.0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batonmq.broker.model.clients import Client
from batonmq.management.metrics.connections import clients_of
from batonmq.management.metrics.departed import protocol_word
from batonmq.management.metrics.families import Family, Figure, Scope, Source
from batonmq.management.slices import sliced

__all__ = ["CHANNELS", "channels_at", "message_figures", "places_of"]


@dataclass(frozen=True, slots=True)
class ChannelNow:
    """The current state of a channel, or of a session of AMQP 1.0."""

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
        """Its name in listings."""
        return f"{self.client.name} ({self.number})"


Place = tuple[Client, int | None]
"""A connection and the number of a channel; None: all sessions of one that has no channels."""


def places_of(client: Client) -> list[Place]:
    """The channels or sessions of a connection."""
    if protocol_word(client) == "amqp10":
        return [(client, None)]
    return [(client, number) for number in client.channel_numbers()]


def channels_at(place: Place) -> Sequence[ChannelNow]:
    """The current state of its channels; none: it has been closed meanwhile."""
    client, number = place
    if number is None:
        return [
            ChannelNow(
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
        ChannelNow(
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


async def _all_places(scope: Scope) -> list[Place]:
    return [place async for client in sliced(clients_of(scope)) for place in places_of(client)]


STATE = ("channel_metrics",)
EXCHANGE = ("channel_exchange_metrics",)
QUEUE = ("channel_queue_metrics",)


def message_figures(counts: Mapping[str, int]) -> tuple[Figure, ...]:
    """The message counters, in the order of the channel families."""
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
    # Connections also include the counts of closed channels.
    total = scope.departed.together()
    async for client in sliced(clients_of(scope)):
        total.update(client.counts.listed())
    return message_figures(total)


CHANNELS = (
    Source[ChannelNow](
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
        split=channels_at,
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
    Source[ChannelNow](
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
        split=channels_at,
        name=lambda channel: (channel.name, channel.client.vhost),
        read=lambda channel: message_figures(channel.counts),
        total=_all_messages,
    ),
)
