"""Clients of Node: amqplib, and stompjs through WebSocket. `npm ci` in tests/interop/node installs them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.wire import Address

FOLDER = Path(__file__).parent / "node"


def cases(program: str) -> list[str]:
    return re.findall(r"^  async '([^']+)'", (FOLDER / program).read_text(encoding="utf-8"), re.MULTILINE)


def run(program: str, url: str, case: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("the clients are not installed: run `npm ci` in tests/interop/node")
    done = subprocess.run(
        [node, program, url, case], cwd=FOLDER, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("case", cases("amqplib.js"))
def test_amqplib(amqp: Address, case: str) -> None:
    run("amqplib.js", amqp.url, case)


@pytest.mark.parametrize("case", cases("stompjs.js"))
def test_stompjs(batonmq_process: Broker, case: str) -> None:
    run("stompjs.js", f"ws://127.0.0.1:{batonmq_process.ports['ws']}/ws", case)
