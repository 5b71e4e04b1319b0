"""The arguments of declarations and consumers: parsed, checked, and compared with existing ones."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from batonmq.broker.model.argument_values import integer, lifetime
from batonmq.broker.model.arguments import ARGUMENTS, IN_POLICIES, STREAM_CONSUMERS
from batonmq.broker.model.settings import CLASSIC, NO_LIMIT, QUORUM, Settings
from batonmq.errors import PreconditionFailed
from batonmq.field_encoding import type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue

log = logging.getLogger("batonmq.broker")

# RabbitMQ 4.0: by default a quorum queue gives up a message that came back more than 20 times.
QUORUM_DELIVERY_LIMIT = 20

# Arguments that need another.
DEPENDENT = {name: argument for name, argument in ARGUMENTS.items() if argument.needs}


def check_new(
    arguments: Mapping[str, FieldValue], described: str, *, durable: bool, exclusive: bool, auto_delete: bool
) -> None:
    """Refuse a new queue with arguments that it could not honour. Raises PreconditionFailed.

    Queues in the store that an earlier version has accepted are not checked.
    """
    queue_type = str(_checked("x-queue-type", arguments.get("x-queue-type", CLASSIC), described))
    flags = (("non-durable", not durable), ("exclusive-owner", exclusive), ("auto-delete", auto_delete))
    for name, is_set in flags if queue_type == QUORUM else ():
        if is_set:
            raise PreconditionFailed(f"invalid property '{name}' for {described}")
    for name, value in arguments.items():
        known = ARGUMENTS.get(name)
        if known is None:
            continue
        if known.queue_type not in ("", queue_type):
            raise PreconditionFailed(f"invalid arg '{name}' for {described} of queue type {_type_of(arguments)}")
        _checked(name, value, described)


def check_consumer(arguments: Mapping[str, FieldValue], queue_arguments: Mapping[str, FieldValue], queue: str) -> None:
    """Refuse a consumer's arguments that such a queue cannot honour. Raises PreconditionFailed."""
    for name in STREAM_CONSUMERS:
        if name in arguments:
            raise PreconditionFailed(f"invalid arg '{name}' for {queue} of queue type {_type_of(queue_arguments)}")


def _type_of(arguments: Mapping[str, FieldValue]) -> str:
    """RabbitMQ's name for the type of a queue."""
    return f"rabbit_{QUORUM if arguments.get('x-queue-type') == QUORUM else CLASSIC}_queue"


def _checked(name: str, value: FieldValue, described: str) -> int | float | str | bool:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        # It fits no field table, but JSON has it.
        raise PreconditionFailed(f"invalid arg '{name}' for {described}: {{value_out_of_range,{str(value)[:32]}}}")
    try:
        return ARGUMENTS[name].check(value)
    except ValueError as error:
        raise PreconditionFailed(f"invalid arg '{name}' for {described}: {error}") from None


def read_settings(arguments: Mapping[str, FieldValue], described: str, *, lenient: bool = False) -> Settings:
    """Check a queue's arguments.

    ``described`` names the queue in errors. Unknown arguments are left alone, as RabbitMQ does. Raises
    PreconditionFailed; with ``lenient`` leaves out invalid arguments instead, for queues that an earlier version
    accepted.
    """
    found: dict[str, int | float | str | bool] = {}
    for name, value in arguments.items():
        known = ARGUMENTS.get(name)
        if known is None or not known.setting:
            continue
        try:
            found[known.setting] = _checked(name, value, described)
        except PreconditionFailed as error:
            if not lenient:
                raise
            log.warning("%s; it counts as not there", error)
    for name, argument in DEPENDENT.items():
        if argument.setting in found and ARGUMENTS[argument.needs].setting not in found:
            raise PreconditionFailed(f"invalid arg '{name}' for {described}: {argument.missing}")
    if found.get("delivery_limit", 0) < 0:  # type: ignore[operator]
        # RabbitMQ 4: no limit.
        found["delivery_limit"] = NO_LIMIT
    elif found.get("queue_type") == QUORUM:
        found.setdefault("delivery_limit", QUORUM_DELIVERY_LIMIT)
    return Settings(**found)  # type: ignore[arg-type]


def check_changes(changes: Mapping[str, FieldValue], described: str) -> None:
    """Check new arguments for an existing queue; None removes one. Raises PreconditionFailed."""
    for name, value in changes.items():
        if name not in IN_POLICIES:
            why = "cannot be changed while the queue lives" if name in ARGUMENTS else "is not known"
            raise PreconditionFailed(f"invalid arg '{name}' for {described}: it {why}")
        if value is not None:
            _checked(name, value, described)


def read_priority(arguments: Mapping[str, FieldValue], described: str) -> int:
    """A consumer's x-priority; 0 when it has none. Raises PreconditionFailed."""
    try:
        return integer(arguments.get("x-priority", 0))
    except ValueError as error:
        raise PreconditionFailed(f"invalid arg 'x-priority' for {described}: {error}") from None


def read_timeout(arguments: Mapping[str, FieldValue], described: str) -> int | None:
    """A consumer's x-consumer-timeout in milliseconds; None when it has none. Raises PreconditionFailed."""
    timeout = arguments.get("x-consumer-timeout")
    if timeout is None:
        return None
    try:
        return lifetime(timeout)
    except ValueError as error:
        raise PreconditionFailed(f"invalid arg 'x-consumer-timeout' for {described}: {error}") from None


def require_equivalent(
    current: Mapping[str, FieldValue], received: Mapping[str, FieldValue], described: str, names: tuple[str, ...]
) -> None:
    """Compare a second declaration with the existing object, in the arguments that matter.

    Numbers are equal whatever their width on the wire. Raises PreconditionFailed.
    """
    for name in names:
        ours, theirs = current.get(name), received.get(name)
        if name == "x-queue-type":
            ours, theirs = ("classic" if value is None else value for value in (ours, theirs))
        if not are_equivalent(ours, theirs):
            raise PreconditionFailed(f"inequivalent arg '{name}' for {described}: {_difference(theirs, ours)}")


def are_equivalent(one: FieldValue, other: FieldValue) -> bool:
    """Are two values of an argument equal? Numbers are, whatever their width on the wire; None: no argument."""
    if one != other:
        return False
    is_same_type = type(one) is type(other) or (isinstance(one, str) and isinstance(other, str))
    return is_same_type or (_is_number(one) and _is_number(other))


def _is_number(value: FieldValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and type_name(value) != "timestamp"


def _difference(theirs: FieldValue, ours: FieldValue) -> str:
    if theirs is not None and ours is not None:
        return f"received '{_shown(theirs)}' but current is '{_shown(ours)}'"
    return f"received {_said(theirs)} but current is {_said(ours)}"


def _shown(value: FieldValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _said(value: FieldValue) -> str:
    if value is None:
        return "none"
    return f"the value '{_shown(value)}' of type '{type_name(value)}'"
