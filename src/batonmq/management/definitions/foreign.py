"""Contents of RabbitMQ's definitions that this broker does not support, and the texts of the report."""

from __future__ import annotations

from typing import Final

from batonmq.broker.routing.exchanges import EXCHANGE_TYPES

__all__ = ["FOREIGN_EXCHANGES", "STREAM", "unknown_component", "unknown_exchange", "without_effect"]

STREAM: Final = "stream"

# RabbitMQ's built-in exchanges for its log and its events.
FOREIGN_EXCHANGES: Final = ("amq.rabbitmq.log", "amq.rabbitmq.event")

# Why a key of a policy has no effect here, by its prefix.
_KEYS: Final = (
    ("ha-", "there are no mirrors"),
    ("federation-", "there is no federation"),
    ("stream-", "there are no streams"),
    ("max-age", "there are no streams"),
    ("queue-mode", "the broker itself decides what it keeps in memory"),
    ("queue-version", "the broker itself decides how it keeps queues"),
    ("max-in-memory-", "the broker itself decides what it keeps in memory"),
)

_COMPONENTS: Final = {
    "federation-upstream": "there is no federation",
    "federation-upstream-set": "there is no federation",
}


def without_effect(key: str) -> str:
    """Why a policy's key has no effect."""
    return next((why for start, why in _KEYS if key.startswith(start)), "there is one node")


def unknown_component(component: str) -> str:
    """Why a parameter is left out."""
    return _COMPONENTS.get(component, f"there is no component '{component[:64]}'")


def unknown_exchange(kind: str) -> str:
    """Why an exchange is left out."""
    return f"there are no exchanges of type '{kind[:64]}'; known are {', '.join(sorted(EXCHANGE_TYPES))}"
