"""A few kills of a broker under load: every promise is kept, and whoever runs it is told so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.settings import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are made by fork")


def test_a_broker_that_is_killed_under_load_keeps_every_promise(tmp_path: Path) -> None:
    counts = tmp_path / "counts.json"
    command = [sys.executable, "-m", "proof.crash", "--kills", "3", "--life", "3", "--anywhere"]
    command += ["--folder", str(tmp_path / "proof"), "--json", str(counts)]

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)

    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith(": ok\n")
    read = json.loads(counts.read_text())
    assert read["kills"] >= 3
    assert read["confirmed"] > 0
    assert read["broken"] == {}
    assert read["points"]["commit.done"] > 0
    assert read["features"]["delays"] > 0
    assert list((tmp_path / "proof").iterdir()) == []
