"""The bench with a full file: a real broker and a real load, no figures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bench import backlog
from bench.settings import Settings


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_each_figure_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("needs a C compiler")
    monkeypatch.setattr(backlog, "QUICK_PASSING", 500)
    section = backlog.run(
        Settings(folder=tmp_path, programs=tmp_path / "programs", rounds=1, quick=True, messages=2_000)
    )
    assert section.title.startswith("2,000 ")
    assert all(len(figure.ours) == 1 for figure in section.figures)
    rate, cost = section.figures[-2:]
    assert rate.ours[0] > 0
    assert rate.theirs[0] > 0
    assert len(cost.theirs) == 1
