"""The options of a worker: concurrency, attempts, backoff, timeout, lease, and time to finish."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field

from batonmq.engines.checks import check_number, check_seconds

__all__ = ["DRAIN_SECONDS", "POLL_SECONDS", "Backoff", "WorkerOptions", "backoff_of", "log"]

log: logging.Logger = logging.getLogger("batonmq.worker")

# The limit of a prefetch count (basic.qos of AMQP 0-9-1): one worker can never hold more.
CONCURRENCY_MAX = 65_535
# How long a worker that waits for messages may take to notice that it has to stop, in seconds.
POLL_SECONDS = 0.25
# The shortest lease: a renewal takes a thread's time slice and a round trip to the broker.
WORKER_LEASE_MIN = 1.0
# The shortest timeout: deadlines are checked every tenth of it.
TIMEOUT_MIN = 0.01
# Less than the 30 s after which Kubernetes kills a process that it has told to stop.
DRAIN_SECONDS = 25.0


# Beyond this exponent every wait is the longest, whatever the factor.
GROWTHS_MAX = 64
FACTOR_MAX = 1000.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a message whose handler has failed waits before it is delivered again.

    Raises TypeError, or ValueError for a value out of its range.
    """

    first: float = 1.0
    """Seconds before the second attempt, 0 or more. 0: as the queue itself says, or at once."""
    max: float = 60.0
    """The longest wait in seconds, 0 or more."""
    factor: float = 2.0
    """How many times longer each wait is than the one before: 1 to 1000."""
    jitter: float = 0.0
    """0 to 1: each wait is shortened by up to this share, at random, to spread out messages that failed together."""

    def __post_init__(self) -> None:
        check_seconds("first", self.first)
        check_seconds("max", self.max)
        _check_range("factor", self.factor, 1.0, FACTOR_MAX)
        _check_range("jitter", self.jitter, 0.0, 1.0)

    def pause(self, delivery_count: int) -> float:
        """Seconds to wait after this delivery, counted from 1, has failed."""
        grown = min(self.max, self.first * float(self.factor) ** min(delivery_count - 1, GROWTHS_MAX))
        # Jitter needs no cryptographic randomness.
        return float(grown * (1.0 - self.jitter * random.random()))  # noqa: S311


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number, not {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{name} is a number from {least:g} to {most:g}: {value}")


BACKOFF = Backoff()


def backoff_of(first: float, longest: float, retry: Backoff | None) -> Backoff:
    """The waits of a handler; ``backoff=`` and ``backoff_max=`` are the short form. Raises ValueError."""
    if retry is None:
        check_seconds("backoff", first)
        check_seconds("backoff_max", longest)
        return Backoff(first, longest)
    if not isinstance(retry, Backoff):
        raise TypeError(f"retry is a batonmq.Backoff, not {type(retry).__name__}")
    if (first, longest) != (BACKOFF.first, BACKOFF.max):
        raise ValueError("either retry=, or backoff= and backoff_max=")
    return retry


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """The options of a worker. Times are in seconds. Raises TypeError, or ValueError for a value out of its range."""

    concurrency: int = 1
    """How many messages are handled at a time: 1 to CONCURRENCY_MAX."""
    attempts: int | None = None
    """How many deliveries before a failing message is rejected to the dead letters, 1 or more; None: no limit."""
    retry: Backoff = field(default=BACKOFF)
    """How long a failed message waits before it is delivered again."""
    timeout: float | None = None
    """How long a handler may take, TIMEOUT_MIN or more; then the attempt has failed. None: as long as it likes."""
    lease: float | None = None
    """The lease of a message, WORKER_LEASE_MIN or more, renewed while its handler works; None: no lease."""
    drain: float = DRAIN_SECONDS
    """How long handlers may go on when the worker is stopped, 0 or more; messages still held then are released."""

    def __post_init__(self) -> None:
        check_number("concurrency", self.concurrency, 1, CONCURRENCY_MAX)
        if self.attempts is not None:
            check_number("attempts", self.attempts, 1)
        check_seconds("drain", self.drain)
        if self.lease is not None:
            check_seconds("lease", self.lease, WORKER_LEASE_MIN)
        if self.timeout is not None:
            check_seconds("timeout", self.timeout, TIMEOUT_MIN)

    def gives_up(self, delivery_count: int) -> bool:
        """Was this delivery the last attempt?"""
        return self.attempts is not None and delivery_count >= self.attempts

    def is_spent(self, delivery_count: int) -> bool:
        """Was the last attempt before this delivery? Then it ended with its process or its connection."""
        return self.attempts is not None and delivery_count > self.attempts

    @property
    def renewal(self) -> float | None:
        """Seconds between renewals of a message's lease: two may fail in a row."""
        return None if self.lease is None else self.lease / 3
