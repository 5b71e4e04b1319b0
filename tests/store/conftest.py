from __future__ import annotations

import pytest
from tests.support.driven import Driven

from batonmq.store import SqliteStore


@pytest.fixture
def queue() -> object:
    """A queue to hang messages on; the store under test is another."""
    return Driven(None).queue("q").lane


def commit(store: SqliteStore) -> None:
    """A whole commit as a host drives it, which must not fail."""
    store.stage()
    store.commit()
    store.finish(None)
