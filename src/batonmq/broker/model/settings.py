"""The settings of a queue: what its arguments and its policy ask for, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CLASSIC, QUORUM, STREAM = "classic", "quorum", "stream"

DROP_HEAD = "drop-head"
REJECT_PUBLISH = "reject-publish"
REJECT_PUBLISH_DLX = "reject-publish-dlx"

AT_MOST_ONCE, AT_LEAST_ONCE = "at-most-once", "at-least-once"
# Which returns RabbitMQ's retry delay applies to.
DISABLED, FAILED, RETURNED, ALL = "disabled", "failed", "returned", "all"
# A delivery limit that no message reaches.
NO_LIMIT: Final = 2**63

# The longest time, in milliseconds: 100 years.
TIME_MAX = 100 * 365 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """The features that a queue was asked for.

    Times are whole milliseconds from 0 to 100 years; None means that the feature was not requested. ``read_settings``
    creates one from checked arguments.
    """

    ttl: int | None = None
    expires: int | None = None
    max_length: int | None = None
    max_bytes: int | None = None
    overflow: str = DROP_HEAD
    dead_letter_exchange: str | None = None
    dead_letter_routing_key: str | None = None
    dead_letter_strategy: str = AT_MOST_ONCE
    queue_type: str = CLASSIC
    max_priority: int = 0
    single_active: bool = False
    delivery_limit: int | None = None
    # The header that names a message's group, instead of x-group and JMSXGroupID.
    group_header: str | None = None
    # Messages that do not match this selector are not accepted.
    selector: str | None = None
    # A returned message waits for the delay, times the backoff for each earlier return, and the maximum at most.
    retry_delay: int | None = None
    retry_backoff: float = 1
    retry_max_delay: int | None = None
    # RabbitMQ's retry delay: messages that failed, were returned, or both wait for the minimum times their returns.
    delayed_retry_type: str = DISABLED
    delayed_retry_min: int = 0
    delayed_retry_max: int | None = None
    # Only the first message with a key is accepted, within this time and among this many keys.
    deduplication_window: int | None = None
    deduplication_size: int | None = None
    # How long a consumer may hold a message.
    consumer_timeout: int | None = None

    @property
    def limits_length(self) -> bool:
        """Whether there is a limit to the number or the bytes of ready messages."""
        return self.max_length is not None or self.max_bytes is not None

    @property
    def shapes_the_queue(self) -> bool:
        """Whether every message must be checked against these settings, and so cannot take the plain path."""
        return (
            self.ttl is not None
            or self.limits_length
            or self.max_priority > 0
            or self.single_active
            or self.consumer_timeout is not None
            or self.selector is not None
        )

    @property
    def dead_letters_at_least_once(self) -> bool:
        """Whether a dead letter stays here until a queue accepts it.

        As in RabbitMQ, only in a queue that refuses messages when it is full.
        """
        return (
            self.dead_letter_strategy == AT_LEAST_ONCE
            and self.dead_letter_exchange is not None
            and self.overflow == REJECT_PUBLISH
        )

    @property
    def counts_deliveries(self) -> bool:
        """Whether a returned message carries the number of its returns."""
        return (
            self.delivery_limit is not None
            or self.retry_delay is not None
            or (self.delayed_retry_type != DISABLED and self.delayed_retry_min > 0)
        )

    @property
    def deduplicates(self) -> bool:
        """Whether a message with a known key is dropped."""
        return self.deduplication_window is not None or self.deduplication_size is not None


# Priorities of a quorum queue (RabbitMQ 4.3): strictly the highest first; those above are as good as the highest.
QUORUM_PRIORITY_MAX, QUORUM_PRIORITY_DEFAULT = 31, 4


def quorum_lane(priority: int) -> int:
    """The number of a quorum queue's lane for a priority of 0 to 255.

    Lane 0 is for messages without a priority. There is no lane -1: that number stands for something else.
    """
    level = min(priority, QUORUM_PRIORITY_MAX) - QUORUM_PRIORITY_DEFAULT
    return level if level >= 0 else level - 1
