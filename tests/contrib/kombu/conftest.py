"""Connections of kombu to a file: in the process that has it, and in another one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest

import batonmq.contrib.kombu as registered

HOLDS = """
import sys, batonmq
with batonmq.connect(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    assert registered.SERIALIZER
    return f"batonmq:///{tmp_path}/tasks.db"


@pytest.fixture(params=["owner", "guest"])
def connection(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Iterator[kombu.Connection]:
    holder = None
    if request.param == "guest":
        command = [sys.executable, "-c", HOLDS, str(tmp_path / "tasks.db")]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
    with kombu.Connection(url) as connection:
        yield connection
    if holder is not None:
        holder.communicate()
