"""The queues of the run: how they are declared, and what a checker must know of them."""

from __future__ import annotations

from typing import Any

from batonmq.broker import Broker, ManagedOperations, Permission, User
from batonmq.engines.embedded.core import Core
from batonmq.store import SqliteStore
from proof.crash.layout import Layout, Queue

__all__ = ["DELIVERIES", "FANNED", "FULL", "LAYOUT", "OPTIONS", "POISON_DELIVERIES", "WINDOW", "make"]

DELIVERIES = 5
POISON_DELIVERIES = 3
FULL = 10
"""How many messages the queue holds that is full soon."""
FANNED = ("fanned.a", "fanned.b")
"""Where the exchange leads that frameworks use."""
TTL = 1.0
RETRY_DELAY = 0.05
# Longer than a run: nothing that is sent again is new.
WINDOW = 24 * 3600 * 1000

LAYOUT = Layout.of(
    [
        Queue("plain", ordered=True),
        Queue("ranked", ordered=True, sent_for=("priorities",)),
        Queue("groups", ordered=True, grouped=True),
        Queue("single", ordered=True, alone=True, sent_for=("single consumers",)),
        Queue("later"),
        Queue("leased", sent_for=("leases",)),
        Queue("work", leads_to=("work.dead",), dead_letters=True, limit=DELIVERIES - 1, sent_for=("retries",)),
        Queue("work.dead", leads_to=("work.again",), taken_for=("dead letters",)),
        Queue("work.again", taken_for=("replays",)),
        Queue("poison", leads_to=("poison.dead",), dead_letters=True, limit=POISON_DELIVERIES - 1),
        Queue("poison.dead", taken_for=("dead letters of handlers that kill",)),
        Queue("short", leads_to=("short.dead",), dead_letters=True, sent_for=("times to live",)),
        Queue("short.dead", taken_for=("dead letters of a time to live",)),
        Queue("full", sent_for=("length limits",)),
        Queue("known", known=True, sent_for=("de-duplication",)),
        *(Queue(name, ordered=True) for name in FANNED),
        Queue("in"),
        Queue("out"),
        Queue("asked", drops=True),
        Queue("trash", drops=True),
    ]
)

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ranked": {"max_priority": 3},
    "groups": {},
    "single": {"single_consumer": True},
    "later": {},
    "leased": {},
    "work": {"max_deliveries": DELIVERIES, "dead_letter": "work.dead", "retry_delay": RETRY_DELAY},
    "work.again": {},
    "poison": {"max_deliveries": POISON_DELIVERIES, "dead_letter": "poison.dead"},
    "short": {"ttl": TTL, "dead_letter": "short.dead"},
    "full": {"max_length": FULL, "overflow": "refuse"},
    **{name: {} for name in FANNED},
    "in": {},
    "out": {},
    "asked": {"ttl": 10.0},
    "trash": {},
    # Whoever sends into it learns that what he settled before is on the disk.
    "ticks": {"max_length": 1},
}


def make(path: str) -> None:
    """Declare the queue that knows duplicates, which the Python API cannot; the others are declared by the programs."""
    core = Core(SqliteStore(path))
    try:
        core.run(_declare, core.broker)
        core.flush()
    finally:
        core.close()


def _declare(broker: Broker) -> None:
    everybody = User("guest", frozenset({"administrator"}), {"/": Permission()})
    operations = ManagedOperations(broker.add_vhost("/"), everybody, broker)
    operations.declare_queue("known", durable=True, arguments={"x-deduplication-window": WINDOW})
