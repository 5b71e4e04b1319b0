"""All targets, by protocol."""

from __future__ import annotations

from proof.fuzz.target import Target
from proof.fuzz.targets import amqp091, amqp10, definitions, periods, stomp, store, texts, topics, websocket

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (amqp091, amqp10, stomp, websocket, texts, topics, periods, store, definitions)
    for target in module.TARGETS
}
"""By name."""
