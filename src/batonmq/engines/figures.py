"""What an engine tells of its queues: what there is, and how it stands."""

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
    """What it is, in the engine's own words: 'queue', 'exclusive queue', 'quorum queue'."""
    options: QueueOptions | None = None
    """What it was declared with; None: the engine does not tell, or it has what ``declare`` has no option for."""


@dataclass(frozen=True, slots=True)
class QueueRates:
    """Messages per second between two readings of a queue's statistics. None: the engine does not count that."""

    entered: float | None
    """That came into the queue."""
    accepted: float | None
    """That receivers accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """How a queue stands, as ``Connection.stats`` returns it. None: the engine does not tell."""

    ready: int
    """Messages that wait for a receiver: not delayed, in nobody's hands."""
    held: int | None = None
    """Messages that receivers hold and have not settled; what a broker has sent ahead to them counts."""
    delayed: int | None = None
    """Messages that wait for their time."""
    consumers: int | None = None
    """Receivers, whatever client they belong to."""
    bytes: int | None = None
    """Bytes of ready messages: their bodies, and with AMQP 1.0 what frames them."""
    oldest: float | None = None
    """Seconds since the first ready message was made. Most engines go by its ``created_at``, and know no other time."""
    entered: int | None = None
    """Messages that came into the queue since the engine began to count."""
    accepted: int | None = None
    """Messages that receivers accepted since then."""
    read_at: float = field(default_factory=time.monotonic, compare=False)
    """When this was read, in seconds of ``time.monotonic``."""

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
    """None where either is not known, or the engine has begun to count anew."""
    return None if before is None or now is None or now < before else (now - before) / seconds
