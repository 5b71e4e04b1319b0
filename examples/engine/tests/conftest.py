"""Where the contract is held: a directory for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batonmq.testing.contract import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Place(f"directory:{tmp_path / 'queues'}", survives=True) as place:
        yield place
