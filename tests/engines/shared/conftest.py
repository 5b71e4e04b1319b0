"""A file, its owner in this process, and guests as other processes are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from batonmq.api.connections.synchronous import Connection
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.shared.engine import SharedEngine
from batonmq.engines.shared.opening import Reached, dial
from batonmq.engines.shared.registry import own_file

Connect = Callable[[], Connection]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "queues.db")


@pytest.fixture
def owner(path: str) -> Iterator[EmbeddedEngine]:
    engine = own_file(path)
    yield engine
    engine.close()


@pytest.fixture
def guest(path: str, owner: EmbeddedEngine) -> Iterator[Connect]:
    """Connections over the owner's socket, though it is in this process."""
    with ExitStack() as opened:

        def connect() -> Connection:
            link = dial(f"{path}-socket")
            assert link is not None
            return opened.enter_context(Connection(SharedEngine(path, Reached(link, None))))

        yield connect
