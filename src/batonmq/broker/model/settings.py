"""What a queue was declared with beyond its flags: x-arguments, read, checked and put into one value."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from batonmq.errors import PreconditionFailed
from batonmq.fields import NAME_MAX, encode_name, type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue

log = logging.getLogger("batonmq.broker")

DROP_HEAD = "drop-head"
REJECT_PUBLISH = "reject-publish"
REJECT_PUBLISH_DLX = "reject-publish-dlx"

AT_LEAST_ONCE = "at-least-once"
# Which returns RabbitMQ's retry delay is for.
DISABLED, FAILED, RETURNED, ALL = "disabled", "failed", "returned", "all"
LOCATORS = ("client-local", "balanced", "random", "least-leaders", "min-masters")
# A delivery limit that is never reached.
NO_LIMIT = 2**63

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
    dead_letter_strategy: str = "at-most-once"
    queue_type: str = "classic"
    max_priority: int = 0
    single_active: bool = False
    delivery_limit: int | None = None
    # The header that holds a message's group, where it is not the usual one.
    group_header: str | None = None
    # What is given back waits so long, times the backoff for each time that it came back before, and this at most.
    retry_delay: int | None = None
    retry_backoff: float = 1
    retry_max_delay: int | None = None
    # RabbitMQ's: what failed, was returned, or both, waits for the least delay times its returns, and the most at most.
    delayed_retry_type: str = DISABLED
    delayed_retry_min: int = 0
    delayed_retry_max: int | None = None
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
    def dead_letters_at_least_once(self) -> bool:
        """Does a dead letter stay until somebody takes it? Only for a queue that refuses when it is full: RabbitMQ."""
        return (
            self.dead_letter_strategy == AT_LEAST_ONCE
            and self.dead_letter_exchange is not None
            and self.overflow == REJECT_PUBLISH
        )

    @property
    def counts_deliveries(self) -> bool:
        """Does a message that came back say how often?"""
        return (
            self.delivery_limit is not None
            or self.retry_delay is not None
            or (self.delayed_retry_type != DISABLED and self.delayed_retry_min > 0)
        )

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


def _key(value: FieldValue) -> str:
    """A routing key: what is longer could be delivered to nobody."""
    text = _string(value)
    octets = len(encode_name(text))
    if octets > NAME_MAX:
        raise ValueError(f'"a routing key has at most {NAME_MAX} octets, not {octets}"')
    return text


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


@dataclass(frozen=True, slots=True)
class Argument:
    """One of RabbitMQ's arguments of a queue, or of ours, and what is done with it."""

    check: Callable[[FieldValue], int | float | str | bool]
    """Gives the value, or raises ValueError with RabbitMQ's words for what is wrong with it."""
    setting: str = ""
    """The field of Settings that it becomes; "": it has no effect here."""
    queue_type: str = ""
    """The only type of queue that takes it, where it would mean nothing for others."""
    in_policies: bool = False
    """May a policy say it, without "x-"?"""
    lower_counts: bool = False
    """Where a policy says it too, does the lower value count, and not the queue's own?"""
    kind: type[int | float | str | bool] = int
    """What a text is read as that stands for it, in protocols whose headers are all text."""


CLASSIC, QUORUM, STREAM = "classic", "quorum", "stream"


def _limit(check: Callable[[FieldValue], int | float | str | bool], setting: str) -> Argument:
    return Argument(check, setting, in_policies=True, lower_counts=True)


def _option(
    check: Callable[[FieldValue], int | float | str | bool], setting: str, kind: type[int | float | str | bool] = int
) -> Argument:
    return Argument(check, setting, in_policies=True, kind=kind)


ARGUMENTS: dict[str, Argument] = {
    "x-message-ttl": _limit(_time, "ttl"),
    "x-expires": _limit(_lifetime, "expires"),
    "x-max-length": _limit(_not_negative, "max_length"),
    "x-max-length-bytes": _limit(_not_negative, "max_bytes"),
    "x-overflow": _option(
        _one_of((DROP_HEAD, REJECT_PUBLISH, REJECT_PUBLISH_DLX), "invalid_overflow"), "overflow", kind=str
    ),
    "x-dead-letter-exchange": _option(_string, "dead_letter_exchange", kind=str),
    "x-dead-letter-routing-key": _option(_key, "dead_letter_routing_key", kind=str),
    "x-dead-letter-strategy": _option(
        _one_of(("at-most-once", AT_LEAST_ONCE), "invalid_dlx_strategy"), "dead_letter_strategy", kind=str
    ),
    "x-max-priority": Argument(_priority, "max_priority", CLASSIC),
    "x-single-active-consumer": Argument(_flag, "single_active", kind=bool),
    "x-delivery-limit": _limit(_integer, "delivery_limit"),
    "x-group-header": Argument(_string, "group_header", kind=str),
    "x-retry-delay": _option(_time, "retry_delay"),
    "x-retry-backoff": _option(_multiplier, "retry_backoff", kind=float),
    "x-retry-max-delay": _option(_time, "retry_max_delay"),
    # RabbitMQ's own retry delay.
    "x-delayed-retry-type": _option(
        _one_of((DISABLED, FAILED, RETURNED, ALL), "\"unsupported delayed retry type '{}'\""),
        "delayed_retry_type",
        kind=str,
    ),
    "x-delayed-retry-min": _option(_time, "delayed_retry_min"),
    "x-delayed-retry-max": _option(_time, "delayed_retry_max"),
    "x-deduplication-window": Argument(_lifetime, "deduplication_window"),
    "x-deduplication-size": Argument(_count, "deduplication_size"),
    "x-consumer-timeout": _limit(_lifetime, "consumer_timeout"),
    "x-queue-type": Argument(_one_of((CLASSIC, QUORUM), "\"unsupported queue type '{}'\""), "queue_type", kind=str),
    # Of files, replicas and memory: checked, and without effect.
    "x-queue-mode": Argument(_one_of(("default", "lazy"), "\"unsupported queue mode '{}'\""), "", CLASSIC, kind=str),
    "x-queue-version": Argument(_queue_version, "", CLASSIC),
    "x-queue-master-locator": Argument(_string, "", CLASSIC, kind=str),
    "x-queue-leader-locator": Argument(_one_of(LOCATORS, "invalid_queue_locator_arg"), kind=str),
    "x-quorum-initial-group-size": Argument(_count, "", QUORUM),
    "x-quorum-target-group-size": Argument(_count),
    "x-max-in-memory-length": Argument(_not_negative, "", QUORUM),
    "x-max-in-memory-bytes": Argument(_not_negative, "", QUORUM),
    "x-consumer-disconnected-timeout": Argument(_not_negative, "", QUORUM),
    # Of streams, which there are none of.
    "x-max-age": Argument(_string, "", STREAM, kind=str),
    "x-stream-max-segment-size-bytes": Argument(_not_negative, "", STREAM),
    "x-stream-filter-size-bytes": Argument(_not_negative, "", STREAM),
    "x-initial-cluster-size": Argument(_count, "", STREAM),
}

# What a consumer may ask of a stream alone.
STREAM_CONSUMERS = ("x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered")

# Priorities of a quorum queue (RabbitMQ 4.3): strictly the highest first; those above are as good as the highest.
QUORUM_PRIORITY_MAX, QUORUM_PRIORITY_DEFAULT = 31, 4


def quorum_lane(priority: int) -> int:
    """The lane of a quorum queue for a priority: 0 is that of messages without one, and -1 is taken."""
    level = min(priority, QUORUM_PRIORITY_MAX) - QUORUM_PRIORITY_DEFAULT
    return level if level >= 0 else level - 1


# What a quorum queue does unless told otherwise (RabbitMQ 4.0): a message that comes back 20 times is a poison one.
QUORUM_DELIVERY_LIMIT = 20

# What is nothing without another argument.
NEEDS = {
    "x-dead-letter-routing-key": ("x-dead-letter-exchange", "routing_key_but_no_dlx_defined"),
    "x-retry-backoff": ("x-retry-delay", "retry_backoff_but_no_retry_delay"),
    "x-retry-max-delay": ("x-retry-delay", "retry_max_delay_but_no_retry_delay"),
}


def check_new(
    arguments: Mapping[str, FieldValue], described: str, *, durable: bool, exclusive: bool, auto_delete: bool
) -> None:
    """Refuse a queue that is declared anew with what it could not do. Raises PreconditionFailed.

    What an earlier version has accepted, and is in the store, is not asked.
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
    """Refuse what a consumer cannot have of such a queue. Raises PreconditionFailed."""
    for name in STREAM_CONSUMERS:
        if name in arguments:
            raise PreconditionFailed(f"invalid arg '{name}' for {queue} of queue type {_type_of(queue_arguments)}")


def _type_of(arguments: Mapping[str, FieldValue]) -> str:
    """RabbitMQ's word for it."""
    return f"rabbit_{QUORUM if arguments.get('x-queue-type') == QUORUM else CLASSIC}_queue"


def _checked(name: str, value: FieldValue, described: str) -> int | float | str | bool:
    try:
        return ARGUMENTS[name].check(value)
    except ValueError as error:
        raise PreconditionFailed(f"invalid arg '{name}' for {described}: {error}") from None


def read_settings(arguments: Mapping[str, FieldValue], described: str, *, lenient: bool = False) -> Settings:
    """Check a queue's arguments.

    ``described`` names the queue in errors. Unknown arguments are left alone, as RabbitMQ does. Raises
    PreconditionFailed; or if ``lenient`` leaves out what is wrong, for queues that an earlier version let in.
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
    for name, (needed, fault) in NEEDS.items():
        if ARGUMENTS[name].setting in found and ARGUMENTS[needed].setting not in found:
            raise PreconditionFailed(f"invalid arg '{name}' for {described}: {fault}")
    if found.get("delivery_limit", 0) < 0:  # type: ignore[operator]
        # RabbitMQ 4: no limit.
        found["delivery_limit"] = NO_LIMIT
    elif found.get("queue_type") == QUORUM:
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
