"""The keys of a policy's definition, in one table: RabbitMQ's, and some of our own.

Keys about mirrors, replicas, files, streams and federation have no effect here. They are checked and kept, so that the
policies of a RabbitMQ can be imported as they are and exported again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batonmq.broker.model import argument_values as values
from batonmq.broker.model.arguments import ARGUMENTS, IN_POLICIES, LOCATORS, QUEUE_MODE
from batonmq.broker.routing.exchanges import ALTERNATE_EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.broker.model.arguments import Argument
    from batonmq.fields import FieldValue


@dataclass(frozen=True, slots=True)
class PolicyKey:
    """One key of a definition."""

    check: Callable[[FieldValue], object]
    """Raises ValueError, which says what is wrong with a value."""
    in_operator_policies: bool = False
    """Whether an operator policy may contain it."""
    needs: str = ""
    """Another key that it needs, and that RabbitMQ demands; "": none."""
    has_effect: bool = True
    """False: it is checked and kept, without effect."""
    lower_counts: bool = False
    """Whether the lower value counts when a policy and an operator policy set it; otherwise the operator policy's."""


def _exchange(value: FieldValue) -> object:
    if isinstance(value, str):
        return value
    raise ValueError("it is to be the name of an exchange")


def _mirrors(value: FieldValue) -> object:
    """The number of mirrors, or their nodes."""
    if not isinstance(value, list):
        return values.count(value)
    return [values.string(name) for name in value]


def _without_effect(
    check: Callable[[FieldValue], object],
    *,
    in_operator_policies: bool = False,
    needs: str = "",
    lower_counts: bool = False,
) -> PolicyKey:
    return PolicyKey(check, in_operator_policies, needs, has_effect=False, lower_counts=lower_counts)


# The effective keys that RabbitMQ's operator policies may have.
_OPERATORS = frozenset(
    {
        "delayed-retry-max",
        "delayed-retry-min",
        "delayed-retry-type",
        "delivery-limit",
        "expires",
        "max-length",
        "max-length-bytes",
        "message-ttl",
        "overflow",
    }
)


def _of_queues(name: str, argument: Argument) -> PolicyKey:
    is_operators = name.removeprefix("x-") in _OPERATORS
    return PolicyKey(argument.check, in_operator_policies=is_operators, lower_counts=argument.lower_counts)


KEYS: dict[str, PolicyKey] = {
    **{name.removeprefix("x-"): _of_queues(name, argument) for name, argument in IN_POLICIES.items()},
    ALTERNATE_EXCHANGE: PolicyKey(_exchange),
    # Mirrors of classic queues (RabbitMQ 3).
    "ha-mode": _without_effect(values.one_of(("all", "exactly", "nodes"), "it must be all, exactly or nodes")),
    "ha-params": _without_effect(_mirrors, needs="ha-mode"),
    "ha-sync-mode": _without_effect(
        values.one_of(("manual", "automatic"), "it must be manual or automatic"), needs="ha-mode"
    ),
    "ha-sync-batch-size": _without_effect(values.count, needs="ha-mode"),
    "ha-promote-on-shutdown": _without_effect(
        values.one_of(("always", "when-synced"), "it must be always or when-synced"), needs="ha-mode"
    ),
    "ha-promote-on-failure": _without_effect(
        values.one_of(("always", "when-synced"), "it must be always or when-synced"), needs="ha-mode"
    ),
    # Files, replicas and memory.
    "queue-mode": _without_effect(QUEUE_MODE),
    "queue-version": _without_effect(values.queue_version, in_operator_policies=True),
    "queue-master-locator": _without_effect(values.string),
    "queue-leader-locator": _without_effect(values.one_of(LOCATORS, f"it must be one of {', '.join(LOCATORS)}")),
    "target-group-size": _without_effect(values.count, in_operator_policies=True),
    "max-in-memory-length": _without_effect(values.not_negative, in_operator_policies=True, lower_counts=True),
    "max-in-memory-bytes": _without_effect(values.not_negative, in_operator_policies=True, lower_counts=True),
    "consumer-disconnected-timeout": _without_effect(values.not_negative),
    # Streams.
    "max-age": _without_effect(values.string),
    "stream-max-segment-size-bytes": _without_effect(values.not_negative),
    "stream-filter-size-bytes": _without_effect(values.not_negative),
    "initial-cluster-size": _without_effect(values.count),
    # Federation.
    "federation-upstream": _without_effect(values.string),
    "federation-upstream-set": _without_effect(values.string),
    "federation-upstream-pattern": _without_effect(values.string),
}

# Of these, the keys that an operator policy may have.
OF_OPERATORS = frozenset(name for name, key in KEYS.items() if key.in_operator_policies)


def fault_of(key: str, value: FieldValue, definition: Mapping[str, FieldValue], *, of_operator: bool) -> str:
    """The fault in one entry of a definition, as the end of a sentence about its policy; "": none."""
    known = KEYS.get(key)
    if known is None or (of_operator and not known.in_operator_policies):
        allowed = ", ".join(sorted(OF_OPERATORS if of_operator else KEYS))
        if known is not None:
            why = "cannot be set by an operator policy"
        elif f"x-{key}" in ARGUMENTS:
            why = "cannot be changed while a queue lives"
        else:
            why = "is not known"
        return f"{key} {why}; a policy may say: {allowed}"
    if known.needs and known.needs not in definition:
        return f"{key} needs {known.needs} beside it"
    try:
        known.check(value)
    except ValueError as error:
        return f"invalid {key}: {error}"
    return ""
