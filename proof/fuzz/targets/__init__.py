"""All targets, by protocol."""

from __future__ import annotations

from proof.fuzz.target import Target
from proof.fuzz.targets import (
    amqp091,
    amqp10,
    clients,
    definitions,
    files,
    http,
    json_texts,
    periods,
    rows,
    shared,
    stomp,
    store,
    texts,
    topics,
    websocket,
)

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (
        amqp091,
        amqp10,
        stomp,
        websocket,
        http,
        texts,
        topics,
        periods,
        definitions,
        files,
        shared,
        store,
        rows,
        clients,
        json_texts,
    )
    for target in module.TARGETS
}
"""By name."""
