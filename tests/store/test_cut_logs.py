"""A log that somebody has cut where a commit ends looks whole to SQLite: what is missing is told all the same."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
from proof.disk import Disk
from tests.support.driven import Driven

from batonmq.store.checking import check_file

HEADER, FRAME = 32, 24


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """What a broker has left that was killed with three confirmed messages in its log."""
    folder, copy = tmp_path / "data", tmp_path / "killed"
    folder.mkdir()
    driven = Driven(folder / "store")
    driven.queue()
    for body in ("first", "second", "third"):
        driven.publish(body)
        driven.settle()
    shutil.copytree(folder, copy)
    driven.broker.close()
    return copy / "store"


def commits(file: Path) -> list[int]:
    """Where the log is after each of its commits."""
    log = Path(f"{file}-wal").read_bytes()
    (page,) = struct.unpack_from(">I", log, 8)
    salts = log[16:24]
    return [
        at + FRAME + page
        for at in range(HEADER, len(log) - FRAME, FRAME + page)
        if log[at + 8 : at + 16] == salts and struct.unpack_from(">I", log, at + 4)[0]
    ]


def start(file: Path) -> list[str]:
    driven = Driven(file)
    found = driven.bodies()
    driven.broker.close()
    return found


def test_a_whole_log_is_not_told(killed: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert check_file(str(killed)).is_whole
    assert start(killed) == ["first", "second", "third"]
    assert caplog.records == []


@pytest.mark.parametrize("beyond", [0, 100])
def test_what_was_cut_off_is_told(killed: Path, caplog: pytest.LogCaptureFixture, beyond: int) -> None:
    log = Path(f"{killed}-wal")
    with log.open("r+b") as file:
        file.truncate(commits(killed)[-2] + beyond)
    (problem,) = check_file(str(killed)).problems
    assert problem.where == "log"
    assert "what was confirmed with those that are missing is lost" in problem.what
    assert start(killed) == ["first", "second"]
    assert "what was confirmed with those that are missing is lost" in caplog.text
    assert "nobody had confirmed" not in caplog.text
    caplog.clear()
    # Told once: what is there now is whole.
    assert start(killed) == ["first", "second"]
    assert caplog.records == []


def test_what_was_cut_off_of_a_log_that_goes_round_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, copy = tmp_path / "data", tmp_path / "killed"
    folder.mkdir()
    driven = Driven(folder / "store")
    driven.queue()
    for number in range(400):
        driven.publish(str(number), size=5_000)
        driven.settle()
    assert driven.broker.store.status().checkpoints > 1
    for body in ("last but one", "last"):
        driven.publish(body)
        driven.settle()
    shutil.copytree(folder, copy)
    driven.broker.close()
    with Path(f"{copy / 'store'}-wal").open("r+b") as file:
        file.truncate(commits(copy / "store")[-2])
    assert start(copy / "store")[-1] == "last but one"
    assert "what was confirmed with those that are missing is lost" in caplog.text


def test_a_loss_of_power_is_not_taken_for_a_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was not synced is not known to have been there."""
    folder, cut = tmp_path / "data", tmp_path / "cut"
    folder.mkdir()
    cut.mkdir()
    with Disk(folder) as disk:
        driven = Driven(folder / "store")
        driven.queue()
        driven.publish("first")
        driven.settle()
        taker = driven.consume(prefetch=1)
        driven.settle()
        taker.accept()
        driven.settle()
        disk.lose_power(cut)
        shutil.copy(f"{folder / 'store'}-hands", f"{cut / 'store'}-hands")
        driven.broker.close()
    assert start(cut / "store") == ["first"]
    assert caplog.records == []
