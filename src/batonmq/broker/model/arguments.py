"""The arguments that a queue can be declared with, in one table that declarations, protocols and policies read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batonmq.broker.model import argument_values as values
from batonmq.broker.model.settings import (
    ALL,
    AT_LEAST_ONCE,
    AT_MOST_ONCE,
    CLASSIC,
    DISABLED,
    DROP_HEAD,
    FAILED,
    QUORUM,
    REJECT_PUBLISH,
    REJECT_PUBLISH_DLX,
    RETURNED,
    STREAM,
)

if TYPE_CHECKING:
    from batonmq.fields import FieldValue

LOCATORS = ("client-local", "balanced", "random", "least-leaders", "min-masters")


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a queue: RabbitMQ's, or our own."""

    check: Callable[[FieldValue], int | float | str | bool]
    """Returns the value; raises ValueError with RabbitMQ's text."""
    setting: str = ""
    """The field of Settings that it sets; "": it is checked, but has no effect."""
    queue_type: str = ""
    """The only type of queue that accepts it; "": every type does."""
    in_policies: bool = False
    """Whether a policy may set it, under its name without "x-"."""
    lower_counts: bool = False
    """Whether the lower value counts when both the queue and a policy set it; otherwise the queue's own does."""
    kind: type[int | float | str | bool] = int
    """The type that a protocol whose headers are all text converts it to."""
    needs: str = ""
    """Another argument that it needs, and is refused without; "": none."""
    missing: str = ""
    """RabbitMQ's error for a missing needed argument."""


QUEUE_MODE = values.one_of(("default", "lazy"), "\"unsupported queue mode '{}'\"")
QUEUE_TYPE = values.one_of((CLASSIC, QUORUM), "\"unsupported queue type '{}'\"")


def _limit(check: Callable[[FieldValue], int | float | str | bool], setting: str) -> Argument:
    return Argument(check, setting, in_policies=True, lower_counts=True)


def _option(
    check: Callable[[FieldValue], int | float | str | bool],
    setting: str,
    kind: type[int | float | str | bool] = int,
    *,
    needs: str = "",
    missing: str = "",
) -> Argument:
    return Argument(check, setting, in_policies=True, kind=kind, needs=needs, missing=missing)


ARGUMENTS: dict[str, Argument] = {
    "x-message-ttl": _limit(values.duration, "ttl"),
    "x-expires": _limit(values.lifetime, "expires"),
    "x-max-length": _limit(values.not_negative, "max_length"),
    "x-max-length-bytes": _limit(values.not_negative, "max_bytes"),
    "x-overflow": _option(
        values.one_of((DROP_HEAD, REJECT_PUBLISH, REJECT_PUBLISH_DLX), "invalid_overflow"), "overflow", kind=str
    ),
    "x-dead-letter-exchange": _option(values.string, "dead_letter_exchange", kind=str),
    "x-dead-letter-routing-key": _option(
        values.routing_key,
        "dead_letter_routing_key",
        kind=str,
        needs="x-dead-letter-exchange",
        missing="routing_key_but_no_dlx_defined",
    ),
    "x-dead-letter-strategy": _option(
        values.one_of((AT_MOST_ONCE, AT_LEAST_ONCE), "invalid_dlx_strategy"), "dead_letter_strategy", kind=str
    ),
    "x-max-priority": Argument(values.priority, "max_priority", CLASSIC),
    "x-single-active-consumer": Argument(values.flag, "single_active", kind=bool),
    "x-delivery-limit": _limit(values.integer, "delivery_limit"),
    "x-group-header": Argument(values.string, "group_header", kind=str),
    "x-selector": Argument(values.selector, "selector", kind=str),
    "x-retry-delay": _option(values.duration, "retry_delay"),
    "x-retry-backoff": _option(
        values.multiplier,
        "retry_backoff",
        kind=float,
        needs="x-retry-delay",
        missing="retry_backoff_but_no_retry_delay",
    ),
    "x-retry-max-delay": _option(
        values.duration,
        "retry_max_delay",
        needs="x-retry-delay",
        missing="retry_max_delay_but_no_retry_delay",
    ),
    # RabbitMQ's own retry delay.
    "x-delayed-retry-type": _option(
        values.one_of((DISABLED, FAILED, RETURNED, ALL), "\"unsupported delayed retry type '{}'\""),
        "delayed_retry_type",
        kind=str,
    ),
    "x-delayed-retry-min": _option(values.duration, "delayed_retry_min"),
    "x-delayed-retry-max": _option(values.duration, "delayed_retry_max"),
    "x-deduplication-window": Argument(values.lifetime, "deduplication_window"),
    "x-deduplication-size": Argument(values.count, "deduplication_size"),
    "x-consumer-timeout": _limit(values.lifetime, "consumer_timeout"),
    "x-queue-type": Argument(QUEUE_TYPE, "queue_type", kind=str),
    # About files, replicas and memory: checked, without effect.
    "x-queue-mode": Argument(QUEUE_MODE, "", CLASSIC, kind=str),
    "x-queue-version": Argument(values.queue_version, "", CLASSIC),
    "x-queue-master-locator": Argument(values.string, "", CLASSIC, kind=str),
    "x-queue-leader-locator": Argument(values.one_of(LOCATORS, "invalid_queue_locator_arg"), kind=str),
    "x-quorum-initial-group-size": Argument(values.count, "", QUORUM),
    "x-quorum-target-group-size": Argument(values.count),
    "x-max-in-memory-length": Argument(values.not_negative, "", QUORUM),
    "x-max-in-memory-bytes": Argument(values.not_negative, "", QUORUM),
    "x-consumer-disconnected-timeout": Argument(values.not_negative, "", QUORUM),
    # Arguments about streams, which do not exist here.
    "x-max-age": Argument(values.string, "", STREAM, kind=str),
    "x-stream-max-segment-size-bytes": Argument(values.not_negative, "", STREAM),
    "x-stream-filter-size-bytes": Argument(values.not_negative, "", STREAM),
    "x-initial-cluster-size": Argument(values.count, "", STREAM),
}

# The arguments that a policy may set.
IN_POLICIES = {name: argument for name, argument in ARGUMENTS.items() if argument.in_policies}

# Arguments of consumers that only a stream accepts.
STREAM_CONSUMERS = ("x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered")
