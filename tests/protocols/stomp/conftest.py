"""A broker, and clients of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.driven import Driven
from tests.support.stomp import Client


@pytest.fixture
def driven() -> Driven:
    """Over a store in memory."""
    return Driven()


@pytest.fixture
def stored(tmp_path: Path) -> Driven:
    """Over an SQLite file."""
    return Driven(tmp_path / "store.db")


@pytest.fixture
def client(driven: Driven) -> Client:
    """Logged in, STOMP 1.2."""
    client = Client(driven)
    client.connect()
    return client
