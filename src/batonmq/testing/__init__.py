"""For tests of code that uses queues: real ones, in this process, on a clock that can be moved.

``TestClient`` calls the handlers of a worker.

As a pytest plugin it brings the fixtures ``baton``, ``baton_server`` and ``baton_clock``.
"""

from __future__ import annotations

from batonmq.testing.client import AsyncTestClient, Handled, TestClient
from batonmq.testing.clock import MovableClock
from batonmq.testing.server import RunningServer

__all__ = ["AsyncTestClient", "Handled", "MovableClock", "RunningServer", "TestClient"]
