"""A client of another language: a program that ends with 0 when its case holds, and may ask for a cut in between."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.interop.amqp10.relay import Relay

# It gives up by itself after twenty seconds.
LIMIT = 40


def run(command: list[str], relay: Relay, folder: Path | None = None) -> None:
    """Runs it to its end. It prints "cut" when its connections through `relay` are to be cut."""
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as running:
        assert running.stdout is not None
        if running.stdout.readline() == "cut\n":
            relay.cut()
        try:
            _, said = running.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            running.kill()
            raise
    if running.returncode != 0:
        pytest.fail(said, pytrace=False)
