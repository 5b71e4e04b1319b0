"""What is said at a start about a store of which something is missing, and what is not mixed with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw
import pytest
from tests.support.driven import Driven

import batonmq
from batonmq.errors import StoreError


def said_of(folder: Path, caplog: pytest.LogCaptureFixture) -> str:
    caplog.clear()
    Driven(folder / "store.db").broker.close()
    return caplog.text


def copied(path: Path, to: Path, *endings: str) -> Path:
    """As a kill would leave it."""
    to.mkdir()
    for ending in endings:
        shutil.copy(f"{path}{ending}", to)
    return to


@pytest.mark.parametrize(
    ("endings", "said"),
    [
        (("", "-wal", "-hands"), ""),
        (("", "-wal"), ""),
        (("", "-hands"), "its log (-wal) is gone"),
        (("",), "its log (-wal) is gone"),
        (("-wal", "-hands"), "is gone or empty; confirmed messages are lost but for those in its old log"),
        (("-hands",), "is gone or empty"),
    ],
)
@pytest.mark.usefixtures("driven")
def test_what_is_missing_after_a_kill_is_told_once(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, endings: tuple[str, ...], said: str
) -> None:
    folder = copied(path, tmp_path / "copy", *endings)
    text = said_of(folder, caplog)
    assert (said in text) if said else not text
    assert not said_of(folder, caplog)


def test_nothing_is_said_after_an_orderly_end(
    driven: Driven, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driven.broker.close()
    assert not said_of(copied(path, tmp_path / "copy", ""), caplog)
    assert not said_of(tmp_path, caplog)


def test_nothing_is_said_of_a_backup(
    driven: Driven, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backup, copy = tmp_path / "backup", tmp_path / "copy"
    backup.mkdir()
    copy.mkdir()
    reader = apsw.Connection(str(path))
    reader.execute("VACUUM INTO ?", (str(copy / "store.db"),))
    target = apsw.Connection(str(backup / "store.db"))
    with target.backup("main", reader, "main") as run:
        run.step()
    target.close()
    reader.close()
    assert not said_of(copy, caplog)
    assert not said_of(backup, caplog)
    assert Driven(backup / "store.db").bodies() == Driven(copy / "store.db").bodies() == ["a", "b", "c"]
    driven.broker.close()


def test_nothing_is_said_after_a_kill_without_a_commit(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    driven = Driven(path)
    for _ in range(3):
        driven.crash()
    assert not caplog.text
    driven.broker.close()


def test_an_idle_program_is_told_in_its_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with batonmq.connect(str(path)) as mq:
        mq.declare("q")
        path.unlink()
        with mq.receiver("q") as receiver:
            for _ in range(30):
                receiver.receive(1, wait=1)
                if "was deleted or replaced" in caplog.text:
                    break
        assert "was deleted or replaced" in caplog.text


def test_a_file_that_holds_nothing_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    db = apsw.Connection(str(path))
    db.pragma("journal_mode", "wal")
    db.close()
    assert path.stat().st_size
    Driven(path).broker.close()
    assert "holds nothing" in caplog.text


def test_a_new_database_never_meets_the_log_of_one_that_was_deleted(path: Path) -> None:
    with batonmq.connect(str(path)) as mq:
        mq.declare("q")
        mq.send("q", b"old")
        for ending in ("", "-lock", "-socket"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        other = Driven(path)
        assert "q" not in other.broker.vhosts["/"].queues
        with pytest.raises(StoreError, match="deleted or replaced"):
            mq.send("q", b"lost")
        other.queue("mine")
        other.publish("new", queue="mine")
        other.settle()
    other.crash()
    assert other.bodies("mine") == ["new"]
    other.broker.close()
    assert path.with_name("store.db-wal-lost-1").exists()
