"""Metrics of queues and of exchanges."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

from batonmq.broker.model.counters import Counters, ExchangeCounters
from batonmq.broker.queues.queue import Queue
from batonmq.broker.routing.exchanges import Exchange
from batonmq.management.metrics.families import Family, Figure, Scope, Source

__all__ = ["BINDINGS", "EXCHANGES", "OWN_COUNTERS", "QUEUES", "ROUTED", "VHOSTS"]

COARSE = ("queue_coarse_metrics",)
COUNT = ("queue_metrics", "queue_consumer_count")
MORE = ("queue_metrics",)
DELIVERY = ("queue_delivery_metrics",)
OWN = ("queue_own_metrics",)

# The fields of Counters that RabbitMQ has no metric for.
OWN_COUNTERS = {
    "returned": "Messages that were given or taken back",
    "rejected": "Messages that consumers rejected",
    "expired": "Messages whose time was over",
    "dropped": "Messages pushed out by a length limit",
    "given_up": "Messages that had come back too often",
    "dead_lettered": "Messages that became dead letters",
    "refused": "Messages that a full queue did not take",
    "purged": "Messages purged, or gone with their queue",
}

QUEUE_FAMILIES = (
    Family("rabbitmq_queue_messages_ready", "gauge", "Messages that wait for a consumer", COARSE),
    Family("rabbitmq_queue_messages_unacked", "gauge", "Messages that consumers hold", COARSE),
    Family("rabbitmq_queue_messages", "gauge", "Messages that wait or are held", COARSE),
    Family("rabbitmq_queue_consumers", "gauge", "Consumers of queues", COUNT),
    Family("rabbitmq_queue_messages_ram", "gauge", "Messages in memory, held ones included", MORE),
    Family("rabbitmq_queue_messages_ram_bytes", "gauge", "Octets of waiting messages in memory", MORE),
    Family("rabbitmq_queue_messages_ready_ram", "gauge", "Waiting messages in memory", MORE),
    Family("rabbitmq_queue_messages_unacked_ram", "gauge", "Held messages in memory", MORE),
    Family("rabbitmq_queue_messages_bytes", "gauge", "Octets of waiting messages; of held ones none are known", MORE),
    Family("rabbitmq_queue_messages_ready_bytes", "gauge", "Octets of waiting messages", MORE),
    Family("rabbitmq_queue_process_memory_bytes", "gauge", "Octets of memory for waiting messages", MORE),
    Family("rabbitmq_queue_messages_paged_out", "gauge", "Waiting messages that are on disk only", MORE),
    Family("rabbitmq_queue_messages_paged_out_bytes", "gauge", "Octets of waiting messages on disk only", MORE),
    Family("rabbitmq_queue_get_ack_total", "counter", "Messages fetched that need an acknowledgement", DELIVERY),
    Family("rabbitmq_queue_get_total", "counter", "Messages fetched that need no acknowledgement", DELIVERY),
    Family("rabbitmq_queue_messages_delivered_ack_total", "counter", "Deliveries that need one", DELIVERY),
    Family("rabbitmq_queue_messages_delivered_total", "counter", "Deliveries that need no acknowledgement", DELIVERY),
    Family("rabbitmq_queue_messages_redelivered_total", "counter", "Deliveries of what had come back", DELIVERY),
    Family("rabbitmq_queue_messages_acked_total", "counter", "Messages that consumers acknowledged", DELIVERY),
    Family("rabbitmq_queue_get_empty_total", "counter", "Fetches that found nothing", DELIVERY),
    Family("batonmq_queue_messages_entered_total", "counter", "Messages that came in, however they did", OWN),
    Family("batonmq_queue_messages_delayed", "gauge", "Messages that wait for their time", OWN),
    *(Family(f"batonmq_queue_messages_{name}_total", "counter", text, OWN) for name, text in OWN_COUNTERS.items()),
    Family("batonmq_queue_paused", "gauge", "1 for a queue that is paused", OWN),
    Family("batonmq_queue_set_aside", "gauge", "1 for a queue that was paused as its work failed", OWN),
)
_own: Callable[[Counters], tuple[int, ...]] = attrgetter(*OWN_COUNTERS)
# Gauges of a deleted queue are None.
_STANDING = sum(family.kind == "gauge" and "batonmq" not in family.name for family in QUEUE_FAMILIES)


async def _queues(scope: Scope) -> list[Queue]:
    return [queue for vhost in scope.find_vhosts() for queue in vhost.queues.values()]


def _read_queue(queue: Queue) -> tuple[Figure, ...]:
    counters = queue.counters
    handed, passed, unsettled = queue.delivered, queue.passed, queue.unsettled
    ready = in_memory = memory = ready_bytes = paged_bytes = 0
    entered = counters.enqueued
    for lane in queue.lanes:
        ready += lane.waiting
        ready_bytes += lane.waiting_bytes
        in_memory += lane.waiting - lane.paged
        paged_bytes += lane.paged_bytes
        memory += lane.bytes
        entered += lane.enqueued
    fetched, fetched_no_ack = counters.fetched, counters.fetched_no_ack
    return (
        ready,
        unsettled,
        ready + unsettled,
        len(queue.consumers),
        in_memory + unsettled,
        ready_bytes - paged_bytes,
        in_memory,
        unsettled,
        ready_bytes,
        ready_bytes,
        memory,
        ready - in_memory,
        paged_bytes,
        fetched - fetched_no_ack,
        fetched_no_ack,
        handed - fetched,
        passed,
        counters.redelivered,
        handed - unsettled - counters.returned - counters.rejected - fetched_no_ack,
        counters.fetched_empty,
        entered,
        queue.delayed_count,
        *_own(counters),
        int(queue.paused),
        int(bool(queue.fault)),
    )


async def _gone_queues(scope: Scope) -> tuple[Figure, ...]:
    gone = Counters()
    for vhost in scope.find_vhosts():
        gone.add(vhost.of_deleted)
    return (
        *(0,) * _STANDING,
        gone.fetched - gone.fetched_no_ack,
        gone.fetched_no_ack,
        gone.delivered - gone.delivered_no_ack - gone.fetched,
        gone.delivered_no_ack,
        gone.redelivered,
        gone.accepted - gone.delivered_no_ack - gone.fetched_no_ack,
        gone.fetched_empty,
        gone.enqueued,
        0,
        *_own(gone),
        0,
        0,
    )


QUEUES = Source[Queue](
    families=QUEUE_FAMILIES,
    labels=("vhost", "queue"),
    objects=_queues,
    name=lambda queue: (queue.vhost_name, queue.name),
    read=_read_queue,
    gone=_gone_queues,
)

# ---------------------------------------------------------------------- exchanges

EXCHANGE = ("exchange_metrics",)


async def _exchanges(scope: Scope) -> list[tuple[str, Exchange]]:
    return [(vhost.name, exchange) for vhost in scope.find_vhosts() for exchange in vhost.router.exchanges.values()]


def _read_published(counters: ExchangeCounters) -> tuple[Figure, ...]:
    return counters.published, counters.returned, counters.dropped


async def _gone_exchanges(scope: Scope) -> tuple[Figure, ...]:
    gone = ExchangeCounters()
    for vhost in scope.find_vhosts():
        gone.add(vhost.router.of_deleted)
    return _read_published(gone)


async def _gone_routed(scope: Scope) -> tuple[Figure, ...]:
    return (sum(vhost.router.of_deleted.routed for vhost in scope.find_vhosts()),)


EXCHANGES = Source[tuple[str, Exchange]](
    families=(
        Family("rabbitmq_exchange_messages_published_total", "counter", "Messages published to exchanges", EXCHANGE),
        Family("rabbitmq_exchange_messages_unroutable_returned_total", "counter", "Of these, returned", EXCHANGE),
        Family("rabbitmq_exchange_messages_unroutable_dropped_total", "counter", "Of these, wanted by none", EXCHANGE),
    ),
    labels=("vhost", "exchange"),
    objects=_exchanges,
    name=lambda found: (found[0], found[1].name),
    read=lambda found: _read_published(found[1].counters),
    gone=_gone_exchanges,
)

# RabbitMQ also distinguishes channels and queues; here only exchanges are distinguished.
ROUTED = Source[tuple[str, Exchange]](
    families=(
        Family(
            "rabbitmq_queue_messages_published_total",
            "counter",
            "Places in queues that published messages were given",
            ("channel_queue_exchange_metrics",),
        ),
    ),
    labels=("exchange_vhost", "exchange"),
    objects=_exchanges,
    name=lambda found: (found[0], found[1].name),
    read=lambda found: (found[1].counters.routed,),
    gone=_gone_routed,
)

BINDINGS = Source[tuple[str, Exchange]](
    families=(
        Family("rabbitmq_cluster_exchange_bindings", "gauge", "Bindings from an exchange", ("exchange_bindings",)),
        Family("rabbitmq_cluster_exchange_name", "gauge", "1 for each exchange", ("exchange_names",)),
    ),
    labels=("vhost", "exchange", "type"),
    objects=_exchanges,
    # The default exchange has no name, and only implicit bindings.
    split=lambda found: (found,) if found[1].name else (),
    name=lambda found: (found[0], found[1].name, found[1].kind),
    read=lambda found: (len(found[1].bindings), 1),
)


async def _vhosts(scope: Scope) -> list[str]:
    return [vhost.name for vhost in scope.find_vhosts()]


VHOSTS = Source[str](
    families=(Family("rabbitmq_cluster_vhost_status", "gauge", "1 for a virtual host that runs", ("vhost_status",)),),
    labels=("vhost",),
    objects=_vhosts,
    name=lambda name: (name,),
    read=lambda _: (1,),
)
