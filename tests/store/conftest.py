from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven

from batonmq.queued import Settlement
from batonmq.store import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store's file is to be."""
    return tmp_path / "store.db"


@pytest.fixture
def driven(path: Path) -> Driven:
    """Three messages in `q`, on the disk."""
    driven = Driven(path)
    driven.queue()
    for body in "abc":
        driven.publish(body)
    driven.settle()
    return driven


@pytest.fixture
def queue() -> Settlement:
    """A queue to hang messages on; the store under test is another."""
    return Driven(None).queue("q")


def commit(store: SqliteStore) -> None:
    """A whole commit as a host drives it, which must not fail."""
    store.stage()
    store.commit()
    store.finish(None)
