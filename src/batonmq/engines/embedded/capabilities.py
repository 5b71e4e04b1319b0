"""The capabilities of the embedded engine: everything that the broker's model can do."""

from __future__ import annotations

from dataclasses import replace

from batonmq.engines.values import Capabilities

__all__ = ["CAPABILITIES", "IN_MEMORY"]

CAPABILITIES = Capabilities(
    engine="embedded",
    durable=True,
    delay=True,
    release_delay=True,
    ttl=True,
    priority=True,
    group=True,
    lease=True,
    progress=True,
    delivery_count=True,
    max_deliveries=True,
    dead_letter=True,
    max_length=True,
    expires=True,
    single_consumer=True,
    retry_delay=True,
    deduplication=True,
    reject_reason=True,
    request=True,
    transactions=True,
    peek=True,
    count=True,
    purge=True,
    replay=True,
    schedule=True,
    replay_home=True,
    queues=True,
    stats=True,
    until_empty=True,
    atomic_replay=True,
)
IN_MEMORY = replace(CAPABILITIES, durable=False)
