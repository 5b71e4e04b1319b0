"""The connections to queues that all threads of a process share, one for each URL."""

from __future__ import annotations

import atexit
import os
import threading
import time
from dataclasses import fields

import batonmq
from batonmq.contrib.django.options import BackendOptions
from batonmq.engines.values import Capabilities
from batonmq.errors import ConnectionLost

__all__ = ["ANYTHING", "close_connections", "connection_to", "declare"]

# How long a broker that could not be reached is left alone, in seconds.
AWAY_SECONDS = 5.0
# A message that is relayed twice within this many seconds is dropped.
DEDUPLICATION_SECONDS = 24 * 3600.0

# The options of an outbox's messages while no broker can be asked.
ANYTHING = Capabilities(
    engine="the broker",
    durable=True,
    **{field.name: True for field in fields(Capabilities) if field.name not in ("engine", "durable")},
)


class _Place:
    """A URL, and the connection to it."""

    def __init__(self) -> None:
        # Held while connecting; an existing connection is found without it.
        self._connecting = threading.Lock()
        self._mq: batonmq.Connection | None = None
        self._away: tuple[float, str] | None = None
        self._declared: set[str] = set()

    def connection(self, options: BackendOptions) -> batonmq.Connection:
        """The existing connection, or a new one.

        While one thread connects, others wait for it, unless the attempt before failed: they get its error at once.
        """
        while True:
            mq, away = self._mq, self._away
            if mq is not None:
                return mq
            if away is None:
                with self._connecting:
                    if self._mq is None and self._away is None:
                        return self._connect(options)
                continue
            since, why = away
            if time.monotonic() < since + AWAY_SECONDS or not self._connecting.acquire(blocking=False):
                raise ConnectionLost(why)
            try:
                if self._mq is None and self._away is away:
                    return self._connect(options)
            finally:
                self._connecting.release()

    def _connect(self, options: BackendOptions) -> batonmq.Connection:
        try:
            mq = batonmq.connect(options.url)
        except ConnectionLost as error:
            self._away = time.monotonic(), str(error)
            raise
        self._mq, self._away = mq, None
        return mq

    def declare(self, mq: batonmq.Connection, queue: str, options: BackendOptions) -> None:
        """Declare the queue once. Two threads may both do it, which does no harm: neither waits for the other."""
        declared = self._declared
        if queue not in declared:
            declare(mq, queue, options)
            declared.add(queue)

    def close(self) -> None:
        """Close the connection. A thread that connects meanwhile keeps what it gets."""
        mq, self._mq, self._away = self._mq, None, None
        self._declared = set()
        if mq is not None:
            mq.close()


_places: dict[str, _Place] = {}


if hasattr(os, "register_at_fork"):
    # The parent's connections, which the child must not close.
    os.register_at_fork(after_in_child=_places.clear)


def connection_to(options: BackendOptions, *queues: str) -> batonmq.Connection:
    """The connection of this process, with these queues declared. Raises the errors of ``connect`` and ``declare``.

    A broker that is slow to answer holds up only the threads that need this answer.
    """
    place = _places.setdefault(os.fspath(options.url), _Place())
    mq = place.connection(options)
    for queue in queues:
        place.declare(mq, queue, options)
    return mq


def declare(mq: batonmq.Connection, queue: str, options: BackendOptions) -> None:
    """Create a queue for tasks, unless it exists."""
    can = mq.capabilities
    mq.declare(
        queue,
        max_priority=priority_levels(can, options) if can.priority else 0,
        deduplication=DEDUPLICATION_SECONDS if can.deduplication else None,
    )


def priority_levels(can: Capabilities, options: BackendOptions) -> int:
    """The highest priority that a queue is declared with."""
    if options.max_priority is not None:
        return options.max_priority
    # An engine with deduplication is BatonMQ, which has as many priorities as Django. In others each priority costs.
    return 200 if can.deduplication else 10


@atexit.register
def close_connections() -> None:
    """Close what this process has opened; the next task that is enqueued opens it again."""
    for place in list(_places.values()):
        place.close()
