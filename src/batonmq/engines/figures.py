"""What an engine tells about its queues: which exist, and their figures."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from batonmq.engines.values import QueueOptions

__all__ = ["QueueInfo", "QueueRates", "QueueStats"]


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """A queue, as ``Connection.queues`` lists it."""

    name: str
    kind: str = "queue"
    """Its kind, in the engine's own words: 'queue', 'exclusive queue', 'quorum queue'."""
    options: QueueOptions | None = None
    """Its options; None: unknown, or it has settings for which ``declare`` has no option."""


@dataclass(frozen=True, slots=True)
class QueueRates:
    """Messages per second between two readings of a queue's statistics. None: not counted."""

    entered: float | None
    """Messages that were enqueued."""
    accepted: float | None
    """Messages that receivers accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """The figures of a queue, as ``Connection.stats`` returns them. None: unknown."""

    ready: int
    """Messages that wait for a receiver: neither delayed nor held."""
    held: int | None = None
    """Messages that receivers hold unsettled, prefetched ones included."""
    delayed: int | None = None
    """Messages that wait for their time."""
    consumers: int | None = None
    """Receivers, of any client."""
    bytes: int | None = None
    """Bytes of ready messages: their bodies and, with AMQP 1.0, their other sections."""
    oldest: float | None = None
    """Seconds since the first ready message was made: for most engines, since its ``created_at``."""
    entered: int | None = None
    """Messages enqueued since the engine began to count."""
    accepted: int | None = None
    """Messages that receivers accepted since then."""
    read_at: float = field(default_factory=time.monotonic, compare=False)
    """When the figures were read, in seconds of ``time.monotonic``."""

    def rates(self, before: QueueStats) -> QueueRates:
        """Messages per second since an earlier reading of the same queue.

        Raises ValueError when ``before`` is not earlier.
        """
        seconds = self.read_at - before.read_at
        if seconds <= 0:
            raise ValueError("the other reading is not an earlier one: rates are those between it and this one")
        return QueueRates(
            _per_second(before.entered, self.entered, seconds), _per_second(before.accepted, self.accepted, seconds)
        )


def _per_second(before: int | None, now: int | None, seconds: float) -> float | None:
    """None if either is unknown, or the engine has started counting afresh."""
    return None if before is None or now is None or now < before else (now - before) / seconds
