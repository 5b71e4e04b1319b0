"""A few damaged stores, and that what is promised can be seen to be broken."""

from __future__ import annotations

import json
import random
from pathlib import Path

import apsw
import pytest
from proof.damage.__main__ import main
from proof.damage.files import STORE, make_store
from proof.damage.hurting import hurt
from proof.damage.judging import Broken, judge


def test_damaged_files_keep_what_is_promised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = tmp_path / "counts"
    assert main(["--files", "15", "--seed", "1", "--folder", str(tmp_path), "--json", str(counts)]) == 0
    assert capsys.readouterr().out.rstrip().endswith(": ok")
    assert json.loads(counts.read_text())["files"] == 15
    assert [entry.name for entry in tmp_path.iterdir()] == ["counts"]


def test_a_seed_damages_the_same(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / STORE).write_bytes(bytes(range(256)) * 100)
        found.append((hurt(tmp_path / name, random.Random(5)), (tmp_path / name / STORE).read_bytes()))
    assert found[0] == found[1]


def test_a_body_that_is_not_what_was_sent_is_found(tmp_path: Path) -> None:
    sent = make_store(tmp_path, "closed")
    file = tmp_path / STORE
    part = sent["small"][300][20:30]
    file.write_bytes(file.read_bytes().replace(part, bytes(10)))
    judge_whole = tmp_path / "judged"
    judge_whole.mkdir()
    (judge_whole / STORE).write_bytes(file.read_bytes())
    assert judge(judge_whole, sent, STORE)["served in part"] == 1
    # As if there were no checksums.
    db = apsw.Connection(str(file))
    db.execute("UPDATE message SET checksum = NULL")
    db.close()
    with pytest.raises(Broken, match="small serves what was never sent to it"):
        judge(tmp_path, sent, STORE)
