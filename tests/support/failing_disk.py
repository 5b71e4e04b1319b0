"""Fixtures of a broker's folder on a disk that can fail: ``data`` and ``disk``, for a folder of tests to import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from proof.disk import Disk

__all__ = ["data", "disk"]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder. Who writes to it tries again soon: a second is long for a test, and short for a disk."""
    monkeypatch.setattr("batonmq.server.committer.RETRY_SECONDS", 0.02)
    monkeypatch.setattr("batonmq.engines.embedded.core.RETRY_SECONDS", 0.02)
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def disk(data: Path) -> Iterator[Disk]:
    """Its disk."""
    with Disk(data) as disk:
        yield disk
