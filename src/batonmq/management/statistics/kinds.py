"""The sampled counters of each kind of object, by RabbitMQ's names, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batonmq.management.statistics.rings import BRIEF, LONG, WHOLE, Geometry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker.model.churn import Churn
    from batonmq.broker.model.clients import Client
    from batonmq.broker.model.counters import Counters
    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.routing.exchanges import Exchange

__all__ = ["BROKER", "CHANNEL", "CHURN", "CONNECTION", "EXCHANGE", "NODE", "QUEUE", "USED", "VHOST", "Kind"]

LENGTHS: Final = ("messages_ready", "messages_unacknowledged")
DELIVERIES: Final = ("deliver", "deliver_no_ack", "get", "get_no_ack", "get_empty", "ack", "redeliver")
PUBLISHES: Final = ("publish", "confirm", "return_unroutable", "drop_unroutable")
OCTETS: Final = ("recv_oct", "send_oct")
CHURN: Final = (
    "connection_created",
    "connection_closed",
    "channel_created",
    "channel_closed",
    "queue_declared",
    "queue_created",
    "queue_deleted",
)
USED: Final = (
    "mem_used",
    "fd_used",
    "sockets_used",
    "proc_used",
    "disk_free",
    "gc_num",
    "context_switches",
    "cpu_ms",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object: the names of its counters in the order of a sample, and for how long samples are kept."""

    columns: tuple[str, ...]
    geometry: Geometry

    def place(self, name: str) -> int:
        """The position of that counter in a sample."""
        return self.columns.index(name)


QUEUE: Final = Kind((*LENGTHS, "publish", *DELIVERIES), LONG)
EXCHANGE: Final = Kind(("publish_in", "publish_out"), LONG)
CHANNEL: Final = Kind((*PUBLISHES, *DELIVERIES), BRIEF)
CONNECTION: Final = Kind(OCTETS, BRIEF)
VHOST: Final = Kind((*LENGTHS, *DELIVERIES, *PUBLISHES, *OCTETS), LONG)
BROKER: Final = Kind((*LENGTHS, *DELIVERIES, *PUBLISHES, *OCTETS, *CHURN), WHOLE)
NODE: Final = Kind(USED, WHOLE)


def read_queue(queue: Queue) -> tuple[int, ...]:
    """The counters of a queue, in the order of ``QUEUE``. Takes 2 us."""
    counters = queue.counters
    handed, passed, unsettled = queue.delivered, queue.passed, queue.unsettled
    ready = 0
    enqueued = counters.enqueued
    for lane in queue.lanes:
        ready += lane.waiting
        enqueued += lane.enqueued
    fetched, fetched_no_ack = counters.fetched, counters.fetched_no_ack
    return (
        ready,
        unsettled,
        enqueued,
        handed - fetched,
        passed,
        fetched - fetched_no_ack,
        fetched_no_ack,
        counters.fetched_empty,
        handed - unsettled - counters.returned - counters.rejected - fetched_no_ack,
        counters.redelivered,
    )


def read_of_deleted(counters: Counters) -> tuple[int, ...]:
    """The counts of deleted queues, in the order of ``QUEUE``."""
    fetched, no_ack = counters.fetched, counters.delivered_no_ack
    return (
        0,
        0,
        counters.enqueued,
        counters.delivered - no_ack - fetched,
        no_ack,
        fetched - counters.fetched_no_ack,
        counters.fetched_no_ack,
        counters.fetched_empty,
        counters.accepted - no_ack - counters.fetched_no_ack,
        counters.redelivered,
    )


def read_octets(client: Client) -> tuple[int, int]:
    """The octets from and to a client, in the order of ``CONNECTION``."""
    return client.socket.octets_received, client.socket.octets_sent


def read_exchange(exchange: Exchange) -> tuple[int, ...]:
    """The counters of an exchange, in the order of ``EXCHANGE``."""
    counters = exchange.counters
    return counters.published, counters.routed


def read_counts(counts: Mapping[str, int]) -> tuple[int, ...]:
    """The counts of a client or a channel, in the order of ``CHANNEL``."""
    get = counts.get
    fetched, fetched_no_ack, no_ack = get("fetched", 0), get("fetched_no_ack", 0), get("delivered_no_ack", 0)
    return (
        get("published", 0),
        get("confirmed", 0),
        get("unroutable", 0),
        get("dropped", 0),
        get("delivered", 0) - no_ack - fetched,
        no_ack,
        fetched - fetched_no_ack,
        fetched_no_ack,
        get("fetched_empty", 0),
        get("accepted", 0),
        get("redelivered", 0),
    )


def read_churn(churn: Churn) -> tuple[int, ...]:
    """The churn, in the order of ``CHURN``."""
    return (
        churn.connections_opened,
        churn.connections_closed,
        churn.channels_opened,
        churn.channels_closed,
        churn.queues_declared,
        churn.queues_created,
        churn.queues_deleted,
    )
