"""The contents of a place: the definitions of one virtual host, in RabbitMQ's format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from batonmq.shovels.rules import Rules

__all__ = ["Found", "FoundQueue", "found_of", "is_made", "own_queue", "without_set_aside"]

# The predeclared exchanges of every broker, and the one for management requests.
_OWN_EXCHANGES: Final = ("amq.", "batonmq.management")

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FoundQueue:
    """A queue, and the number of its messages."""

    name: str
    durable: bool = True
    auto_delete: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    ready: int | None = None
    """None: unknown."""
    delayed: int = 0
    held: int = 0
    """Messages that consumers hold."""
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The contents of one place."""

    queues: list[FoundQueue] = field(default_factory=list)
    exchanges: list[Entry] = field(default_factory=list)
    bindings: list[Entry] = field(default_factory=list)
    policies: list[Entry] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Things that are not taken along, a sentence each."""


def found_of(definitions: Mapping[str, Any]) -> Found:
    """Definitions as an export has them. Counts of messages are not among them."""
    return Found(
        queues=[
            FoundQueue(
                str(queue["name"]),
                durable=queue.get("durable") is not False,
                auto_delete=queue.get("auto_delete") is True,
                arguments=queue.get("arguments") or {},
            )
            for queue in definitions.get("queues", ())
            if own_queue(str(queue["name"])) is None
        ],
        exchanges=[one for one in definitions.get("exchanges", ()) if is_made(str(one["name"]))],
        # Every queue is bound to the default exchange automatically.
        bindings=[
            one
            for one in definitions.get("bindings", ())
            if one.get("source") and own_queue(one["destination"]) is None
        ],
        policies=list(definitions.get("policies", ())),
        others=[
            *(said for queue in definitions.get("queues", ()) if (said := own_queue(str(queue["name"])))),
            *(
                f"parameter '{parameter.get('name')}' of component '{parameter.get('component')}'"
                for parameter in definitions.get("parameters", ())
            ),
        ],
    )


def own_queue(name: str) -> str | None:
    """A note on a queue whose name the broker generated, since others refuse such names; None: an ordinary name."""
    return f"queue '{name}', whose name its broker has chosen" if name.startswith("amq.") else None


def without_set_aside(found: Found) -> Found:
    """The contents without the queues of messages that an earlier move set aside.

    Nobody would look for those elsewhere.
    """
    aside = {Rules().beside(queue.name) for queue in found.queues} & {queue.name for queue in found.queues}
    if not aside:
        return found
    return replace(
        found,
        queues=[queue for queue in found.queues if queue.name not in aside],
        bindings=[one for one in found.bindings if one["destination"] not in aside],
        others=[
            *found.others,
            *(
                f"queue '{queue.name}', with {queue.ready or 0:,} messages that could not be moved before"
                for queue in found.queues
                if queue.name in aside
            ),
        ],
    )


def is_made(exchange: str) -> bool:
    """Did somebody declare the exchange? The others are predeclared."""
    return bool(exchange) and not exchange.startswith(_OWN_EXCHANGES)
