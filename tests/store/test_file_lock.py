"""A lock file says who holds it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batonmq.store.file_lock import FileLock, Locked


@pytest.mark.parametrize("note", ["", "orders.db-socket"])
def test_whoever_is_refused_is_told_who_has_it(tmp_path: Path, note: str) -> None:
    lock = FileLock(str(tmp_path / "lock"))
    lock.say(note)
    with pytest.raises(Locked) as refused:
        FileLock(str(tmp_path / "lock"))
    lock.release()
    assert refused.value.process == str(os.getpid())
    assert refused.value.note == note


@pytest.mark.parametrize(
    ("said", "process", "note"),
    [
        ("", "", ""),
        ("4711\n", "4711", ""),
        ("4711\nbeside\n", "4711", "beside"),
        # Being written.
        ("4711\nbesi", "4711", ""),
        ("no number\n", "", ""),
    ],
)
def test_what_it_holds_may_be_anything(said: str, process: str, note: str) -> None:
    locked = Locked(said)
    assert (locked.process, locked.note) == (process, note)
