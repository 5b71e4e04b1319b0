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

_lock = threading.RLock()
_open: dict[str, batonmq.Connection] = {}
_away: dict[str, tuple[float, ConnectionLost]] = {}
_declared: set[tuple[str, str]] = set()

# The options of an outbox's messages while no broker can be asked.
ANYTHING = Capabilities(
    engine="the broker",
    durable=True,
    **{field.name: True for field in fields(Capabilities) if field.name not in ("engine", "durable")},
)


def _forked() -> None:
    """The parent's connections, which this process must not close."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
    _open.clear()
    _away.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def connection_to(options: BackendOptions, *queues: str) -> batonmq.Connection:
    """The connection of this process, with these queues declared. Raises the errors of ``connect`` and ``declare``."""
    url = os.fspath(options.url)
    with _lock:
        mq = _open.get(url)
        if mq is None:
            since, error = _away.get(url, (0.0, None))
            if error is not None and time.monotonic() < since + AWAY_SECONDS:
                raise error
            try:
                mq = _open[url] = batonmq.connect(options.url)
            except ConnectionLost as error:
                _away[url] = time.monotonic(), error
                raise
        for queue in queues:
            if (url, queue) not in _declared:
                declare(mq, queue, options)
                _declared.add((url, queue))
        return mq


def declare(mq: batonmq.Connection, queue: str, options: BackendOptions) -> None:
    """Create a queue for tasks, unless it is there."""
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
    """Close this process's connections; the next enqueue opens one again."""
    with _lock:
        connections = list(_open.values())
        _open.clear()
        _away.clear()
        _declared.clear()
    for mq in connections:
        mq.close()
