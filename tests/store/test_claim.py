"""A database has one writer, whatever is deleted beside it, and knows when its own file is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.driven import Driven

import batonmq
from batonmq.errors import StoreError
from batonmq.store import SqliteStore


@pytest.fixture
def driven(path: Path) -> Driven:
    driven = Driven(path)
    driven.queue()
    driven.publish("a")
    driven.settle()
    return driven


# The lock by which a connection shows that the index of the log (-shm) is in use: whoever finds it free cuts that off,
# and a process that has it in its memory ends with SIGBUS when it looks there.
IN_USE = 128
TAKE = """
import fcntl, sys
with open(sys.argv[1], "r+b") as index:
    try:
        fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(sys.argv[2]))
    except OSError:
        sys.exit(3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="closing one handle of a file there leaves the locks of others")
def test_after_a_crash_the_index_of_the_log_is_still_seen_to_be_in_use(driven: Driven, path: Path) -> None:
    for _ in range(2):
        command = [sys.executable, "-c", TAKE, f"{path}-shm", str(IN_USE)]
        assert subprocess.run(command, timeout=60, check=False).returncode == 3
        driven.crash()
    assert driven.bodies() == ["a"]


def refuses(driven: Driven) -> str:
    """Why it does not keep another message."""
    driven.publish("b")
    driven.attempt()
    error = driven.broker.store.error
    assert error is not None
    return error.reason


def test_a_second_store_in_this_process_is_refused_and_does_no_harm(driven: Driven, path: Path) -> None:
    with pytest.raises(StoreError, match="in use"):
        SqliteStore(str(path)).open()
    driven.publish("b")
    driven.settle()
    driven.crash()
    assert driven.bodies() == ["a", "b"]


@pytest.mark.skipif(sys.platform != "linux", reason="only there is the file itself locked")
def test_another_process_is_refused_although_lock_file_and_socket_are_gone(path: Path) -> None:
    code = "import batonmq, sys; batonmq.connect(sys.argv[1]).declare('q')"
    with batonmq.connect(str(path)) as mq:
        mq.declare("q")
        path.with_name("store.db-lock").unlink()
        path.with_name("store.db-socket").unlink()
        other = subprocess.run([sys.executable, "-c", code, str(path)], stderr=subprocess.PIPE, timeout=30, check=False)
        assert b"StoreError" in other.stderr
        assert b"in use by another process" in other.stderr
        mq.send("q", b"a")
    with batonmq.connect(str(path)) as mq:
        assert mq.count("q") == 1


def test_a_store_that_was_closed_can_be_opened(driven: Driven, path: Path) -> None:
    driven.broker.close()
    assert Driven(path).bodies() == ["a"]


@pytest.mark.parametrize("name", ["store.db", "store.db-wal"])
@pytest.mark.parametrize("replaced", [False, True])
def test_nothing_is_confirmed_in_a_file_that_nobody_will_find(
    driven: Driven, path: Path, name: str, replaced: bool
) -> None:
    victim = path.with_name(name)
    victim.rename(path.with_name("elsewhere"))
    if replaced:
        victim.write_bytes(b"another")
    assert refuses(driven) == f"the store cannot write: {victim} was deleted or replaced while it was open"
    assert driven.broker.store.has_work()
    driven.broker.close()
    # Whoever has the name now keeps it.
    assert victim.exists() == replaced


def test_an_idle_store_notices_when_it_is_looked_at(driven: Driven, path: Path) -> None:
    store = driven.broker.store
    assert not store.look()
    assert not store.has_work()
    path.unlink()
    assert store.look()
    assert store.has_work()


def test_a_file_that_is_back_is_written_again(driven: Driven, path: Path) -> None:
    away = path.with_name("away")
    path.rename(away)
    refuses(driven)
    away.rename(path)
    driven.attempt()
    assert driven.broker.store.error is None
    driven.publish("c")
    driven.settle()
    driven.crash()
    assert driven.bodies() == ["a", "c"]


def test_what_a_lost_log_held_is_in_the_file(driven: Driven, path: Path) -> None:
    path.with_name("store.db-wal").unlink()
    refuses(driven)
    driven.crash()
    assert driven.bodies() == ["a"]


def test_a_program_may_go_to_another_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    with batonmq.connect("here.db") as mq:
        os.chdir("other")
        mq.declare("q")
        mq.send("q", b"a")
    assert (tmp_path / "here.db").exists()
    assert not (tmp_path / "here.db-hands").exists()
