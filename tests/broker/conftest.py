"""The broker that most tests here drive, on each store and on SQLite's alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.timed import Timed


@pytest.fixture(params=["memory", "sqlite"])
def driven(request: pytest.FixtureRequest, tmp_path: Path) -> Timed:
    """The rule holds whatever the store."""
    return Timed(tmp_path / "store" if request.param == "sqlite" else None)


@pytest.fixture
def stored(tmp_path: Path) -> Timed:
    """The rule is about what a restart, or a full disk, leaves."""
    return Timed(tmp_path / "store")
