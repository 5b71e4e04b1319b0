"""docs/engines.md says of each engine what it says of itself."""

from __future__ import annotations

import runpy
import subprocess
import sys
from dataclasses import fields

from batonmq.engines.values import Capabilities
from tests.support.markdown import ROOT

SCRIPT = ROOT / "scripts" / "engines_table.py"


def test_the_table_is_up_to_date() -> None:
    run = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_a_table_that_says_otherwise_is_noticed() -> None:
    page = runpy.run_path(str(SCRIPT))["page"]
    text = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    assert page(text.replace("| yes |", "| - |", 1)) == text
    for field in fields(Capabilities):
        assert (f"| `{field.name}` |" in text) == (field.type == "bool" and field.name != "engine")
