"""The fixtures, which pytest finds by the package's entry point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from batonmq import Connection
    from batonmq.testing import MovableClock, RunningServer

# The fixtures import on first use what they need: every pytest run of the environment imports this file.


# pytest does this by itself for an installed package, but not for an editable install.
pytest.register_assert_rewrite("batonmq.testing.contract")


@pytest.fixture
def baton_clock() -> MovableClock:
    """The clock of ``baton`` and ``baton_server``: ``baton_clock.advance(3600)`` makes an hour pass at once."""
    from batonmq.testing.clock import MovableClock

    return MovableClock()


@pytest.fixture
def baton(baton_clock: MovableClock) -> Iterator[Connection]:
    """Queues in memory, for this test only: a connection like that of ``batonmq.connect``, on ``baton_clock``."""
    from batonmq.api.connections.synchronous import Connection
    from batonmq.engines.shared.registry import open_memory

    engine = open_memory("", baton_clock)
    baton_clock.when_moved(engine.core.run_due)
    with Connection(engine) as connection:
        yield connection
    baton_clock.forget(engine.core.run_due)


@pytest.fixture
def baton_server(tmp_path: Path, baton_clock: MovableClock) -> Iterator[RunningServer]:
    """A real broker, for this test only, on a free port of the loopback: ``url``, ``host``, ``port``."""
    from batonmq.testing.server import RunningServer

    with RunningServer(tmp_path / "baton-server", baton_clock) as server:
        yield server
