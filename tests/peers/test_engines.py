"""`make engines`: what fails beside others is run once more, alone, and both outcomes are told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.peers import engines

TESTS = """
from pathlib import Path

def test_of_a_busy_machine():
    seen = Path(__file__).with_name("seen")
    if not seen.exists():
        seen.touch()
        raise AssertionError("late")

def test_of_a_fault():
    raise AssertionError

def test_that_passes():
    with Path(__file__).with_name("passed").open("a") as passed:
        passed.write("once")
"""


def test_what_fails_beside_others_is_run_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PROCESSES", "1")  # each takes a second to start
    file = tmp_path / "test_of_it.py"
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # names of tests begin here
    file.write_text(TESTS)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment |= {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "xdist.plugin",
    }  # without what it has no use for
    assert engines.try_twice([str(file)], environment, tmp_path / "notes") == 1
    told = [line for line in capfd.readouterr().out.splitlines() if "failed at first" in line]
    assert told == [
        "test_of_it.py::test_of_a_busy_machine: failed at first, passed alone",
        "test_of_it.py::test_of_a_fault: failed at first, and alone",
    ]
    assert (tmp_path / "passed").read_text() == "once"
