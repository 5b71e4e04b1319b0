"""A short run of `make crash-embedded`, and that it finds what it is there to find."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from proof.crash.embedded import program as module
from proof.crash.embedded.deaths import Deaths
from proof.crash.embedded.owners import Owners
from proof.crash.embedded.program import Place, Program
from proof.crash.notes import Fault, read_all

ROOT = Path(__file__).parents[2]
RUN = "import sys; from proof.crash.embedded.__main__ import main; sys.exit(main(sys.argv[1:]))"
# Every so often nothing is kept, and everybody is told that it was.
FORGETFUL = """
from batonmq.store.transaction import Transaction
commit, counts = Transaction.commit, [0]
def forget(self):
    counts[0] += 1
    self._db.execute("ROLLBACK") if counts[0] % 25 == 0 else commit(self)
Transaction.commit = forget
"""


def run(folder: Path, kills: int, planted: str = "") -> tuple[int, dict[str, Any], str]:
    counts = folder / "counts.json"
    flags = [f"--kills={kills}", "--seed=7", f"--folder={folder}", f"--json={counts}"]
    command = [sys.executable, "-c", planted + RUN, *flags]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=150)
    assert counts.exists(), ended.stderr
    return ended.returncode, json.loads(counts.read_text()), ended.stdout


def test_programs_on_one_file_are_killed_and_nothing_is_broken(tmp_path: Path) -> None:
    counts: dict[str, Any] = {}
    for kills in (6, 18):
        status, counts, said = run(tmp_path, kills)
        assert status == 0, said
        assert counts["kills"] >= kills
        if counts["confirmed"] and counts["points"].get("take_over.done"):
            break
        # All of them were killed before they came to it.
    assert counts["confirmed"] > 0
    assert counts["points"]["take_over.done"] > 0
    assert {"priorities", "delays", "transactions committed"} <= counts["features"].keys()
    assert [path.name for path in tmp_path.iterdir()] == ["counts.json"]


def test_a_store_that_forgets_is_found_and_its_files_are_kept(tmp_path: Path) -> None:
    status, counts, said = run(tmp_path, 6, FORGETFUL)
    assert status == 1
    assert counts["broken"]["missing"] + counts["broken"]["returned"] > 0, said
    assert list(tmp_path.glob("crash-embedded-*/x.db"))


def test_who_was_about_to_die_and_is_killed_by_another_is_not_waited_for(tmp_path: Path) -> None:
    """As long as somebody is dying there is no life, and without one most promises cannot be checked."""
    said, heard = (Deaths(tmp_path / "deaths") for _ in range(2))
    assert heard.under_way(["n1", "n2"]) == set()
    said.announce("n1")
    said.announce("n2")
    assert heard.under_way(["n1", "n2", "n3"]) == {"n1", "n2"}
    assert heard.under_way(["n2", "n3"]) == {"n2"}
    assert heard.under_way(["n3"]) == set()
    said.close()
    heard.close()


def test_two_owners_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proof.crash.embedded.owners.DYING_SECONDS", 0.0)
    faults: list[str] = []
    mine, other = (Owners(tmp_path / "owner", faults.append) for _ in range(2))
    mine.begins()
    mine.commits()
    assert not faults
    # The process that started this one lives.
    monkeypatch.setattr(os, "getpid", os.getppid)
    other.commits()
    other.begins()
    assert [fault.split(":")[0] for fault in faults] == ["two owners"] * 2
    mine.close()
    other.close()


def test_a_call_that_does_not_return_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALL_SECONDS", 0.01)
    place = Place(tmp_path)
    place.notes.mkdir()
    program = Program(place, "n1", 1, is_steady=True)
    note, noted = program.fault, threading.Event()

    def fault(text: str) -> None:
        note(text)
        noted.set()

    monkeypatch.setattr(program, "fault", fault)

    def hang() -> None:
        with program.call("send"):
            noted.wait(60)

    program.wait([program.begin(hang)])
    program.close()
    notes = [note for book in read_all(place.notes) for note in book]
    assert [note.text for note in notes if isinstance(note, Fault)] == ["n1: send has not returned for 0.01 s"]
