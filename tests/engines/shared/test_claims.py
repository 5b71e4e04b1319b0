"""How long a new owner waits for the guests of the one before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from batonmq.engines.embedded.core import Core
from batonmq.engines.shared import claims
from batonmq.engines.shared.claims import GRACE_SECONDS, GRACES_MOST, LOOK_SECONDS, Claims
from batonmq.engines.shared.roll import Roll
from batonmq.store import SqliteStore

NOBODY = (1 << 63) - 1


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    made = Core(SqliteStore(str(tmp_path / "store.db")), serves=False)
    yield made
    made.close()


class Waiting:
    """An owner that expects a guest which is alive and says nothing."""

    def __init__(self, core: Core, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(claims, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.claims = Claims(core, Roll(path), {NOBODY: os.getppid()})

    def look_for(self, seconds: float) -> None:
        """As often as an owner does."""
        end = self.now + seconds
        while self.now < end:
            self.now += LOOK_SECONDS
            self.claims.look()

    def stand_still(self, seconds: float) -> None:
        """Nobody looks, and nobody could have said anything, for so long."""
        self.now += seconds
        self.claims.look()


@pytest.fixture
def waiting(core: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    monkeypatch.setattr(claims, "GRACE_SECONDS", GRACE_SECONDS)
    return Waiting(core, str(tmp_path / "store.db"), monkeypatch)


def test_who_is_alive_and_says_nothing_is_waited_for_so_long(waiting: Waiting) -> None:
    waiting.look_for(GRACE_SECONDS - 0.1)
    assert waiting.claims.is_waiting
    waiting.look_for(0.2)
    assert not waiting.claims.is_waiting


def test_the_time_in_which_the_machine_stood_still_does_not_count(waiting: Waiting) -> None:
    waiting.look_for(GRACE_SECONDS / 2)
    waiting.stand_still(3 * GRACE_SECONDS)
    assert waiting.claims.is_waiting
    waiting.look_for(GRACE_SECONDS / 2 - 0.1)
    assert waiting.claims.is_waiting
    waiting.look_for(0.2)
    assert not waiting.claims.is_waiting


def test_nobody_is_waited_for_for_ever(waiting: Waiting) -> None:
    for _ in range(GRACES_MOST + 1):
        waiting.stand_still(GRACE_SECONDS)
    assert not waiting.claims.is_waiting
