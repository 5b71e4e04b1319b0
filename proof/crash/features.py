"""The queues of a run against a broker: every feature has its own, and what clients do there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from proof.crash.layout import Layout, Queue

__all__ = [
    "AMQP091",
    "AMQP10",
    "CRON",
    "FANOUT",
    "FEATURES",
    "LAYOUT",
    "STATIONS",
    "STOMP",
    "TRANSIENT",
    "Feature",
    "Station",
]

FANOUT = "crash.fan"
CRON, TRANSIENT = "cron", "transient"
AMQP091, STOMP, AMQP10 = "amqp091", "stomp", "amqp10"
ALL = frozenset({AMQP091, STOMP, AMQP10})
WITHOUT_STOMP = ALL - {STOMP}
"""For queues that refuse when they are full: that ends a connection of STOMP."""
DEATHS: dict[str, str | int | bool] = {"x-dead-letter-exchange": ""}


def _dead(queue: str) -> dict[str, str | int | bool]:
    return DEATHS | {"x-dead-letter-routing-key": queue}


@dataclass(frozen=True, slots=True)
class Station:
    """A queue, as a broker declares it and as the checker knows it."""

    queue: Queue
    arguments: Mapping[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feature:
    """A way of sending, and where it leads."""

    target: str
    queues: tuple[str, ...]
    """Where a message goes first: one of each family."""
    weight: int = 10
    protocols: frozenset[str] = ALL
    """Those that can do it."""


_QUEUES = (
    Station(Queue("plain", ordered=True)),
    Station(
        Queue("single", ordered=True, strict=True, alone=True, sent_for=("single active consumers",)),
        {"x-single-active-consumer": True},
    ),
    Station(
        Queue("work", leads_to=("work.dead",), dead_letters=True, limit=3, sent_for=("retries",)),
        _dead("work.dead") | {"x-delivery-limit": 3, "x-retry-delay": 20, "x-retry-backoff": 2},
    ),
    Station(Queue("work.dead", taken_for=("dead letters",))),
    Station(Queue("delayed")),
    Station(Queue("schedule")),
    Station(Queue(CRON, drops=True)),
    Station(Queue("groups", grouped=True)),
    Station(Queue("once", known=True, sent_for=("de-duplication",)), {"x-deduplication-window": 3_600_000}),
    Station(Queue("urgent", ordered=True, sent_for=("priorities",)), {"x-max-priority": 5}),
    Station(
        Queue("ttl", leads_to=("ttl.dead",), dead_letters=True, sent_for=("times to live",)),
        _dead("ttl.dead") | {"x-message-ttl": 150},
    ),
    Station(Queue("ttl.dead", taken_for=("dead letters of a time to live",))),
    Station(Queue("ring.a", leads_to=("ring.b",), dead_letters=True), _dead("ring.b")),
    Station(Queue("ring.b", leads_to=("ring.a",), dead_letters=True), _dead("ring.a")),
    Station(Queue("head", leads_to=("head.dead",), dead_letters=True), _dead("head.dead") | {"x-max-length": 20}),
    Station(Queue("head.dead", taken_for=("dead letters of a length limit",))),
    Station(Queue("full", sent_for=("length limits",)), {"x-max-length": 20, "x-overflow": "reject-publish"}),
    Station(
        Queue("fulldlx", leads_to=("fulldlx.dead",), dead_letters=True, refused_go_on=True),
        _dead("fulldlx.dead") | {"x-max-length": 20, "x-overflow": "reject-publish-dlx"},
    ),
    Station(Queue("fulldlx.dead", taken_for=("dead letters of a length limit",))),
    Station(
        Queue("least", leads_to=("least.dead",), dead_letters=True, limit=1),
        _dead("least.dead")
        | {
            "x-delivery-limit": 1,
            "x-max-length": 500,
            "x-overflow": "reject-publish",
            "x-dead-letter-strategy": "at-least-once",
        },
    ),
    Station(
        Queue("least.dead", taken_for=("dead letters at least once",)),
        {"x-max-length": 10, "x-overflow": "reject-publish"},
    ),
    Station(Queue("tx.a")),
    Station(Queue("tx.b")),
    Station(Queue("tx.c")),
    Station(Queue("mv.from", leads_to=("mv.to",))),
    Station(Queue("mv.to", taken_for=("moves",))),
    Station(Queue("replay", leads_to=("replay.dead",), dead_letters=True), _dead("replay.dead")),
    Station(Queue("replay.dead", leads_to=("replay",))),
    Station(Queue("trash", drops=True)),
    Station(Queue("fan.a", ordered=True)),
    Station(Queue("fan.b", ordered=True)),
    Station(Queue(TRANSIENT, durable=False, ordered=True)),
)
STATIONS: Mapping[str, Station] = {station.queue.name: station for station in _QUEUES}
LAYOUT = Layout.of(station.queue for station in _QUEUES)

FEATURES: tuple[Feature, ...] = (
    *(
        Feature(name, (name,))
        for name in ("plain", "single", "work", "delayed", "groups", "once", "urgent", "tx.a", "mv.from", "replay")
    ),
    Feature("ring.a", ("ring.a",), 5),
    Feature("trash", ("trash",), 5),
    Feature("ttl", ("ttl",), 5),
    Feature("schedule", ("schedule",), 2),
    Feature(CRON, (CRON,), 1),
    Feature("head", ("head",), 5),
    Feature("full", ("full",), 5, protocols=WITHOUT_STOMP),
    Feature("fulldlx", ("fulldlx",), 5, protocols=WITHOUT_STOMP),
    Feature("least", ("least",), 5, protocols=WITHOUT_STOMP),
    Feature(FANOUT, ("fan.a", "fan.b"), 5),
    Feature(TRANSIENT, (TRANSIENT,), 5, protocols=frozenset({AMQP091})),
)
