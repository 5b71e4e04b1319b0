"""What a queue was declared with beyond its flags: x-arguments, read, checked and put into one value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from batonmq.errors import PreconditionFailed
from batonmq.fields import type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.fields import FieldValue

DROP_HEAD = "drop-head"
REJECT_PUBLISH = "reject-publish"
REJECT_PUBLISH_DLX = "reject-publish-dlx"

# Times in milliseconds end at 100 years, as timers of clients do.
TIME_MAX = 100 * 365 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """A queue's features. Times are in milliseconds; None means: not asked for."""

    ttl: int | None = None
    expires: int | None = None
    max_length: int | None = None
    max_bytes: int | None = None
    overflow: str = DROP_HEAD
    dead_letter_exchange: str | None = None
    dead_letter_routing_key: str | None = None
    max_priority: int = 0
    single_active: bool = False
    delivery_limit: int | None = None
    # The header that holds a message's group, where it is not the usual one.
    group_header: str | None = None
    # What is given back waits so long, times the backoff for each time that it came back before, and this at most.
    retry_delay: int | None = None
    retry_backoff: float = 1
    retry_max_delay: int | None = None
    # Of messages with one key within so much time, and among so many keys, only the first is taken.
    deduplication_window: int | None = None
    deduplication_size: int | None = None
    # How long a consumer may hold a message.
    consumer_timeout: int | None = None

    @property
    def limits_length(self) -> bool:
        """Is there a limit to how much may wait?"""
        return self.max_length is not None or self.max_bytes is not None

    @property
    def shapes_the_queue(self) -> bool:
        """Must a message take the path of features?"""
        return (
            self.ttl is not None
            or self.limits_length
            or self.max_priority > 0
            or self.single_active
            or self.consumer_timeout is not None
        )

    @property
    def counts_deliveries(self) -> bool:
        """Does a message that came back say how often?"""
        return self.delivery_limit is not None or self.retry_delay is not None

    @property
    def deduplicates(self) -> bool:
        """Is a message with a known key dropped?"""
        return self.deduplication_window is not None or self.deduplication_size is not None


def _unacceptable(value: FieldValue) -> ValueError:
    return ValueError(f"{{unacceptable_type,{type_name(value)}}}")


def _integer(value: FieldValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or type_name(value) == "timestamp":
        raise ValueError(f'"expected integer, got {type_name(value)}"')
    return int(value)


def _not_negative(value: FieldValue) -> int:
    number = _integer(value)
    if number < 0:
        raise ValueError(f"{{value_negative,{number}}}")
    return number


def _time(value: FieldValue) -> int:
    number = _not_negative(value)
    if number > TIME_MAX:
        raise ValueError(f"{{value_too_large,{number}}}")
    return number


def _lifetime(value: FieldValue) -> int:
    number = _time(value)
    if number == 0:
        raise ValueError(f"{{value_zero,{number}}}")
    return number


def _count(value: FieldValue) -> int:
    number = _not_negative(value)
    if number == 0:
        raise ValueError(f"{{value_zero,{number}}}")
    return number


def _multiplier(value: FieldValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or type_name(value) == "timestamp":
        raise ValueError(f'"expected number, got {type_name(value)}"')
    number = float(value)
    if not 1 <= number < math.inf:
        raise ValueError(f"{{not_a_multiplier,{number}}}")
    return number


def _priority(value: FieldValue) -> int:
    number = _not_negative(value)
    if number > 255:
        raise ValueError(f"{{max_value_exceeded,{number}}}")
    return number


def _queue_version(value: FieldValue) -> int:
    number = _not_negative(value)
    if number not in (1, 2):
        raise ValueError(f"\"unsupported queue version '{number}'\"")
    return number


def _string(value: FieldValue) -> str:
    if not isinstance(value, str):
        raise _unacceptable(value)
    return str(value)


def _flag(value: FieldValue) -> bool:
    if not isinstance(value, bool):
        raise _unacceptable(value)
    return value


def _one_of(choices: tuple[str, ...], error: str) -> Callable[[FieldValue], str]:
    def check(value: FieldValue) -> str:
        if _string(value) not in choices:
            raise ValueError(error.format(value))
        return str(value)

    return check


# Argument: what checks it, and the setting that it becomes ("" for what is accepted and needs nothing done).
ARGUMENTS: dict[str, tuple[Callable[[FieldValue], int | float | str | bool], str]] = {
    "x-message-ttl": (_time, "ttl"),
    "x-expires": (_lifetime, "expires"),
    "x-max-length": (_not_negative, "max_length"),
    "x-max-length-bytes": (_not_negative, "max_bytes"),
    "x-overflow": (_one_of((DROP_HEAD, REJECT_PUBLISH, REJECT_PUBLISH_DLX), "invalid_overflow"), "overflow"),
    "x-dead-letter-exchange": (_string, "dead_letter_exchange"),
    "x-dead-letter-routing-key": (_string, "dead_letter_routing_key"),
    "x-max-priority": (_priority, "max_priority"),
    "x-single-active-consumer": (_flag, "single_active"),
    "x-delivery-limit": (_not_negative, "delivery_limit"),
    "x-group-header": (_string, "group_header"),
    "x-retry-delay": (_time, "retry_delay"),
    "x-retry-backoff": (_multiplier, "retry_backoff"),
    "x-retry-max-delay": (_time, "retry_max_delay"),
    "x-deduplication-window": (_lifetime, "deduplication_window"),
    "x-deduplication-size": (_count, "deduplication_size"),
    "x-consumer-timeout": (_lifetime, "consumer_timeout"),
    "x-queue-mode": (_one_of(("default", "lazy"), "\"unsupported queue mode '{}'\""), ""),
    "x-queue-type": (_one_of(("classic", "quorum"), "\"unsupported queue type '{}'\""), ""),
    "x-queue-version": (_queue_version, ""),
    "x-queue-master-locator": (_string, ""),
    "x-queue-leader-locator": (_string, ""),
    "x-dead-letter-strategy": (_one_of(("at-most-once", "at-least-once"), "invalid_dlx_strategy"), ""),
}

# What a quorum queue does unless told otherwise (RabbitMQ 4.0): a message that comes back 20 times is a poison one.
QUORUM_DELIVERY_LIMIT = 20


def read_settings(arguments: Mapping[str, FieldValue], described: str) -> Settings:
    """Check a queue's arguments.

    ``described`` names the queue in errors. Unknown arguments are left alone, as RabbitMQ does. Raises
    PreconditionFailed.
    """
    found: dict[str, int | float | str | bool] = {}
    for name, value in arguments.items():
        known = ARGUMENTS.get(name)
        if known is None:
            continue
        check, setting = known
        try:
            checked = check(value)
        except ValueError as error:
            raise PreconditionFailed(f"invalid arg '{name}' for {described}: {error}") from None
        if setting:
            found[setting] = checked
    if "dead_letter_routing_key" in found and "dead_letter_exchange" not in found:
        raise PreconditionFailed(
            f"invalid arg 'x-dead-letter-routing-key' for {described}: routing_key_but_no_dlx_defined"
        )
    for name, setting in (("x-retry-backoff", "retry_backoff"), ("x-retry-max-delay", "retry_max_delay")):
        if setting in found and "retry_delay" not in found:
            raise PreconditionFailed(f"invalid arg '{name}' for {described}: {setting}_but_no_retry_delay")
    if arguments.get("x-queue-type") == "quorum":
        found.setdefault("delivery_limit", QUORUM_DELIVERY_LIMIT)
    return Settings(**found)  # type: ignore[arg-type]


def read_priority(arguments: Mapping[str, FieldValue], described: str) -> int:
    """A consumer's x-priority; 0 when it has none. Raises PreconditionFailed."""
    try:
        return _integer(arguments.get("x-priority", 0))
    except ValueError as error:
        raise PreconditionFailed(f"invalid arg 'x-priority' for {described}: {error}") from None


def read_timeout(arguments: Mapping[str, FieldValue], described: str) -> int | None:
    """A consumer's x-consumer-timeout in milliseconds; None when it has none. Raises PreconditionFailed."""
    timeout = arguments.get("x-consumer-timeout")
    if timeout is None:
        return None
    try:
        return _lifetime(timeout)
    except ValueError as error:
        raise PreconditionFailed(f"invalid arg 'x-consumer-timeout' for {described}: {error}") from None


def require_equivalent(
    current: Mapping[str, FieldValue], received: Mapping[str, FieldValue], described: str, names: tuple[str, ...]
) -> None:
    """Compare what a second declaration says with what exists, for the arguments that count.

    Numbers are equal whatever their width on the wire. Raises PreconditionFailed.
    """
    for name in names:
        ours, theirs = current.get(name), received.get(name)
        if name == "x-queue-type":
            ours, theirs = ("classic" if value is None else value for value in (ours, theirs))
        if type(ours) is type(theirs) and ours == theirs:
            continue
        if _is_number(ours) and _is_number(theirs) and ours == theirs:
            continue
        if isinstance(ours, str) and isinstance(theirs, str) and ours == theirs:
            continue
        raise PreconditionFailed(f"inequivalent arg '{name}' for {described}: {_difference(theirs, ours)}")


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
