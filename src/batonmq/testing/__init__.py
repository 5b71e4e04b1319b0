"""Support for testing code that uses queues: real queues in this process, on a clock that tests can move.

``TestClient`` calls the handlers of a worker.

As a pytest plugin it brings the fixtures ``baton``, ``baton_server`` and ``baton_clock``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.testing.client import AsyncTestClient, Handled, TestClient
    from batonmq.testing.clock import MovableClock
    from batonmq.testing.server import RunningServer

__all__ = ["AsyncTestClient", "Handled", "MovableClock", "RunningServer", "TestClient"]

# Imported on first use: pytest imports this file in every run, wherever the package is installed.
_MODULES = {
    "AsyncTestClient": "batonmq.testing.client",
    "Handled": "batonmq.testing.client",
    "MovableClock": "batonmq.testing.clock",
    "RunningServer": "batonmq.testing.server",
    "TestClient": "batonmq.testing.client",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
