"""The options of a worker: concurrency, attempts, backoff, lease, and time to finish."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass

from batonmq.engines.checks import check_number, check_seconds

__all__ = ["DRAIN_SECONDS", "POLL_SECONDS", "WorkerOptions", "check_handler", "is_async", "log"]

log: logging.Logger = logging.getLogger("batonmq.worker")

# What a broker may send ahead (basic.qos of AMQP 0-9-1): more could never be in one worker's hands.
CONCURRENCY_MAX = 65_535
# How long a worker that waits for messages may take to notice that it is to stop.
POLL_SECONDS = 0.25
# Renewals take a thread's turn, and a broker's answer.
WORKER_LEASE_MIN = 1.0
# Less than the 30 s after which Kubernetes kills what it has told to stop.
DRAIN_SECONDS = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """The options of a worker. Times are in seconds. Raises TypeError, or ValueError for a value out of its range."""

    concurrency: int = 1
    """How many messages are handled at a time: 1 to CONCURRENCY_MAX."""
    attempts: int | None = None
    """How many deliveries before a failing message is rejected to the dead letters, 1 or more; None: no limit."""
    backoff: float = 1.0
    """How long a failed message waits before it is delivered again, 0 or more; doubled with each delivery."""
    backoff_max: float = 60.0
    """The longest such wait, 0 or more."""
    lease: float | None = None
    """The lease of a message, WORKER_LEASE_MIN or more, renewed while its handler works; None: no lease."""
    drain: float = DRAIN_SECONDS
    """How long handlers may go on when the worker is stopped, 0 or more; messages still held then are released."""

    def __post_init__(self) -> None:
        check_number("concurrency", self.concurrency, 1, CONCURRENCY_MAX)
        if self.attempts is not None:
            check_number("attempts", self.attempts, 1)
        check_seconds("backoff", self.backoff)
        check_seconds("backoff_max", self.backoff_max)
        check_seconds("drain", self.drain)
        if self.lease is not None:
            check_seconds("lease", self.lease, WORKER_LEASE_MIN)

    def gives_up(self, delivery_count: int) -> bool:
        """Was that the last attempt?"""
        return self.attempts is not None and delivery_count >= self.attempts

    def is_spent(self, delivery_count: int) -> bool:
        """Was the last attempt before this delivery? It has ended with its process, or with the connection."""
        return self.attempts is not None and delivery_count > self.attempts

    @property
    def renewal(self) -> float | None:
        """How often a message that is worked on is renewed: twice may fail."""
        return None if self.lease is None else self.lease / 3

    def pause(self, delivery_count: int) -> float:
        """How long to wait after this delivery has failed."""
        return float(min(self.backoff_max, self.backoff * 2 ** min(delivery_count - 1, 32)))


def is_async(handler: Callable[..., object]) -> bool:
    """Is it to be awaited? An object with ``__call__`` may be, too."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)


def check_handler(handler: object, *, is_async: bool) -> None:
    """Raises TypeError for one that cannot be called, or would never be awaited: its messages were accepted undone."""
    if not callable(handler):
        raise TypeError(f"a handler is a function, not {type(handler).__name__}")
    if _is_async(handler) and not is_async:
        raise TypeError("a handler that is async def needs batonmq.aio.connect, or a batonmq.Worker")


_is_async = is_async
