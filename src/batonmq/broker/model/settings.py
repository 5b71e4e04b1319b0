"""The settings of a queue: what its arguments and its policy ask for, as one value."""

from __future__ import annotations

from dataclasses import dataclass

CLASSIC, QUORUM, STREAM = "classic", "quorum", "stream"

DROP_HEAD = "drop-head"
REJECT_PUBLISH = "reject-publish"
REJECT_PUBLISH_DLX = "reject-publish-dlx"

AT_MOST_ONCE, AT_LEAST_ONCE = "at-most-once", "at-least-once"
# Which returns RabbitMQ's retry delay applies to.
DISABLED, FAILED, RETURNED, ALL = "disabled", "failed", "returned", "all"
# A delivery limit that no message reaches.
NO_LIMIT = 2**63

# The longest time, in milliseconds: 100 years.
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
    dead_letter_strategy: str = AT_MOST_ONCE
    queue_type: str = CLASSIC
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


# Priorities of a quorum queue (RabbitMQ 4.3): strictly the highest first; those above are as good as the highest.
QUORUM_PRIORITY_MAX, QUORUM_PRIORITY_DEFAULT = 31, 4


def quorum_lane(priority: int) -> int:
    """The lane of a quorum queue for a priority: 0 is that of messages without one, and -1 is taken."""
    level = min(priority, QUORUM_PRIORITY_MAX) - QUORUM_PRIORITY_DEFAULT
    return level if level >= 0 else level - 1
