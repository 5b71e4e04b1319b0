"""Metrics of all clients of a protocol, and of log-ins over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from batonmq.management.metrics.channels import channels_at, message_figures, places_of
from batonmq.management.metrics.departed import protocol_word
from batonmq.management.metrics.families import Family, Figure, Scope, Source
from batonmq.management.slices import sliced
from batonmq.server.log_in_counts import Outcomes

__all__ = ["LOG_INS", "PROTOCOLS"]


@dataclass(frozen=True, slots=True)
class _Protocol:
    word: str
    counts: Mapping[str, int]


async def _protocols(scope: Scope) -> list[_Protocol]:
    # A client's counts move to the departed ones when it leaves: both are read at once.
    totals = {word: Counter(scope.departed.of(word)) for word in scope.departed}
    clients = list(scope.broker.clients)
    async for client in sliced(clients):
        totals[protocol_word(client)].update(client.counts.listed())
    async for place in sliced([place for client in clients for place in places_of(client)]):
        total = totals[protocol_word(place[0])]
        for channel in channels_at(place):
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
    _, _, _, _, get_ack, get, deliver_ack, deliver, redelivered, acked, empty = message_figures(counts)
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
        # Every queue counts as a classic one: connections do not distinguish types.
        name=lambda protocol: (protocol.word, "rabbit_classic_queue"),
        read=_read_deliveries,
    ),
)

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
