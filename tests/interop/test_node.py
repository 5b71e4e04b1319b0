"""amqplib for Node, by the cases of tests/interop/node/amqplib.js. `npm ci` in that folder installs it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.wire import Address

FOLDER = Path(__file__).parent / "node"
CASES = re.findall(r"^  async '([^']+)'", (FOLDER / "amqplib.js").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("case", CASES)
def test_amqplib(amqp: Address, case: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("amqplib is not installed: run `npm ci` in tests/interop/node")
    done = subprocess.run(
        [node, "amqplib.js", amqp.url, case], cwd=FOLDER, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
