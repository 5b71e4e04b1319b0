"""The options of a queue for another broker, and those that it does not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from batonmq.cli.moving.found import FoundQueue
from batonmq.engines.amqp.product import Product
from batonmq.engines.values import Capabilities, QueueOptions
from batonmq.errors import BatonError

__all__ = ["Declared", "for_engine", "for_rabbitmq", "without_refused"]

TYPE: Final = "x-queue-type"
# The arguments that RabbitMQ knows; it ignores or refuses others.
_OF_RABBITMQ: Final = frozenset(
    {
        *("x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-overflow", "x-max-priority"),
        *("x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy", "x-delivery-limit"),
        *("x-single-active-consumer", "x-queue-leader-locator", "x-consumer-timeout", TYPE),
    }
)
_RETRY: Final = frozenset({"x-delayed-retry-type", "x-delayed-retry-min", "x-delayed-retry-max"})
# Arguments of its quorum queues only.
_OF_QUORUM: Final = _RETRY | {"x-delivery-limit", "x-dead-letter-strategy"}


@dataclass(frozen=True, slots=True)
class Declared:
    """How a queue is declared at the other place."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    """The arguments, over AMQP 0-9-1."""
    options: QueueOptions = field(default_factory=QueueOptions)
    """The options, for any other engine."""
    lost: tuple[str, ...] = ()
    """The names of options that the other side does not have."""
    refusal: str = ""
    """Why the queue cannot be declared there at all."""


def for_rabbitmq(queue: FoundQueue, product: Product) -> Declared:
    """The arguments for a RabbitMQ, or another broker that speaks AMQP 0-9-1."""
    known = _OF_RABBITMQ | (_RETRY if product.is_rabbitmq(4, 3) else frozenset())
    kept = {name: value for name, value in queue.arguments.items() if name in known}
    lost = [name for name in queue.arguments if name not in known]
    is_quorum = kept.get(TYPE) == "quorum" or not _OF_QUORUM.isdisjoint(kept)
    if is_quorum and product.is_rabbitmq():
        if queue.durable:
            kept[TYPE] = "quorum"
            if "x-max-priority" in kept:
                del kept["x-max-priority"]
                if not product.is_rabbitmq(4, 3):
                    lost.append("x-max-priority")
        else:
            for name in sorted((_OF_QUORUM | {TYPE}) & kept.keys()):
                del kept[name]
                lost.append(name)
    return Declared(arguments=kept, lost=tuple(lost))


def for_engine(queue: FoundQueue, can: Capabilities) -> Declared:
    """The equivalent options of the Python API."""
    said: dict[str, Any] = {}
    lost = []
    given = dict(queue.arguments)
    given.pop(TYPE, None)
    exchange, key = given.pop("x-dead-letter-exchange", None), given.pop("x-dead-letter-routing-key", None)
    if exchange == "" and key:
        said["dead_letter"] = key
    elif exchange is not None:
        lost.append("x-dead-letter-exchange")
    if given.pop("x-overflow", None) == "reject-publish":
        said["overflow"] = "refuse"
    if given.pop("x-delayed-retry-type", None) is None:
        given.pop("x-delayed-retry-min", None)
    for name, value in given.items():
        option = _NUMBERS.get(name)
        if option is None or isinstance(value, bool | str) or not isinstance(value, int | float) or value < 0:
            if name == "x-single-active-consumer" and value is True:
                said["single_consumer"] = True
            else:
                lost.append(name)
        else:
            said[option[0]] = value / 1000 if option[1] else value + (option[0] == "max_deliveries")
    for option_name in [name for name in said if not _has(can, name)]:
        lost.append(option_name)
        del said[option_name]
    if "retry_delay_max" in said and said.get("retry_delay", said["retry_delay_max"] + 1) > said["retry_delay_max"]:
        del said["retry_delay_max"]
    if queue.auto_delete:
        lost.append("auto_delete")
    return Declared(options=QueueOptions(durable=queue.durable, **said), lost=tuple(lost))


def without_refused(queue: str, declared: Declared, check: Callable[[str, QueueOptions], object]) -> Declared:
    """The options without those that the other side refuses, alone or in combination.

    ``check`` raises BatonError or ValueError for options that it refuses.
    """
    options, lost = declared.options, list(declared.lost)
    while (refusal := _refusal(check, queue, options)) is not None:
        given = [name for name in _DROPPED if getattr(options, name) != getattr(_NOTHING, name)]
        if not given:
            return replace(declared, refusal=refusal)
        fewer = [(name, _without(options, name)) for name in given]
        name, options = next((one for one in fewer if _refusal(check, queue, one[1]) is None), fewer[0])
        lost.append(name)
    return replace(declared, options=options, lost=tuple(lost))


def _refusal(check: Callable[[str, QueueOptions], object], queue: str, options: QueueOptions) -> str | None:
    try:
        check(queue, options)
    except (BatonError, ValueError) as error:
        return str(error)
    return None


def _without(options: QueueOptions, name: str) -> QueueOptions:
    changes = {one: getattr(_NOTHING, one) for one in (name, *_GO_ALONG.get(name, ()))}
    return replace(options, **changes)


_NOTHING: Final = QueueOptions()
# The order of leaving options out: limits of a queue first, those that keep dead letters last.
_DROPPED: Final = (
    *("max_bytes", "max_length", "max_priority", "expires", "single_consumer", "ttl", "retry_delay"),
    "deduplication",
    *("max_deliveries", "dead_letter"),
)
# Options that mean nothing without another.
_GO_ALONG: Final[Mapping[str, tuple[str, ...]]] = {"retry_delay": ("retry_delay_max",)}

# Numeric arguments: the equivalent option, and whether the argument is in milliseconds.
_NUMBERS: Final[Mapping[str, tuple[str, bool]]] = {
    "x-delivery-limit": ("max_deliveries", False),
    "x-message-ttl": ("ttl", True),
    "x-max-length": ("max_length", False),
    "x-max-length-bytes": ("max_bytes", False),
    "x-max-priority": ("max_priority", False),
    "x-expires": ("expires", True),
    "x-delayed-retry-min": ("retry_delay", True),
    "x-delayed-retry-max": ("retry_delay_max", True),
    "x-deduplication-window": ("deduplication", True),
}


def _has(can: Capabilities, option: str) -> bool:
    return {
        "max_deliveries": can.max_deliveries,
        "dead_letter": can.dead_letter,
        "ttl": can.ttl,
        "max_length": can.max_length,
        "max_bytes": can.max_length,
        "overflow": can.max_length,
        "max_priority": can.priority,
        "expires": can.expires,
        "single_consumer": can.single_consumer,
        "retry_delay": can.retry_delay,
        "retry_delay_max": can.retry_delay,
        "deduplication": can.deduplication,
    }[option]
