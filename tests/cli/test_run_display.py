"""What `batonmq run` shows on a terminal, and that it shows nothing elsewhere."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("terminals as POSIX has them", allow_module_level=True)

import fcntl
import pty
import struct
import termios

SOON = 60.0

PROGRAM = """
import threading, batonmq
app = batonmq.Worker("memory:")
ready = threading.Event()

@app.on_start
def declare(mq):
    mq.declare("orders", dead_letter="orders.dead")
    mq.send("orders", b"fails", id="o-1")
    mq.send("orders", b"long", id="o-2")

@app.handler("orders", concurrency=3, attempts=1)
def take(delivery: batonmq.Delivery) -> None:
    if delivery.body == b"fails":
        raise LookupError("no such customer")
    print("takes", delivery.message.id, end=" ")
    print("in hand")
    delivery.progress(0.4, "resizing \\x1b[31m")
    threading.Event().wait(60)
"""


def on_a_terminal(folder: Path, wanted: str, *options: str) -> str:
    """What is on a terminal of 100 columns until that is there, and the worker was told twice to stop."""
    (folder / "shop.py").write_text(PROGRAM)
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    command = [sys.executable, "-m", "batonmq", "run", "shop:app", *options]
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        command, cwd=folder, stdin=its, stdout=its, stderr=its, env={**environment, "TERM": "xterm"}
    )
    os.close(its)
    found, told, end = b"", 0, time.monotonic() + SOON
    try:
        while process.poll() is None or select.select([mine], [], [], 0)[0]:
            assert time.monotonic() < end, found.decode()
            if select.select([mine], [], [], 0.1)[0]:
                try:
                    found += os.read(mine, 65_536)
                except OSError:
                    break
            if told == 0 and re.search(wanted, found.decode(errors="replace")):
                told = 1
                process.send_signal(signal.SIGTERM)
            elif told == 1 and b"stops: handlers have" in found:
                told = 2
                process.send_signal(signal.SIGTERM)
        assert process.wait(SOON) == 0
    finally:
        process.kill()
        process.wait()
        os.close(mine)
    return found.decode()


def test_a_terminal_shows_queues_rates_and_what_is_in_hand_below_the_log(tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path, r"orders\s+1/3\s+[\d.]+\s+0\s+1[\s\S]+40 % resizing")
    assert "shop:app on memory:, for" in shown
    assert re.search(r"orders: 'o-2', \d+ s  \[#####\.\.\.\.\.\.\.\] 40 % resizing", shown)
    assert "\x1b[31m" not in shown, "what a handler says moves no cursor"
    # What it prints stays, above the table: right where the last drawing was erased.
    assert re.search(
        r"\x1b\[J(?:(?!\x1b)[\s\S])*takes o-2 in hand\r\n(?:(?!\x1b)[\s\S])*shop:app on memory:, for", shown
    )
    assert "message 'o-1' of queue 'orders' failed at attempt 1 of 1, to orders.dead: LookupError" in shown
    # Each drawing goes up by as many lines as the one before had.
    heights = [int(height) for height in re.findall(r"\x1b\[(\d+)A\r\x1b\[J", shown)]
    assert heights
    assert set(heights) <= {3, 4, 5}


@pytest.mark.parametrize("options", [("--plain",), ("--log-format", "json")])
def test_plain_logs_are_to_be_had_on_a_terminal_too(tmp_path: Path, options: tuple[str, ...]) -> None:
    shown = on_a_terminal(tmp_path, "to orders.dead", *options)
    assert "\x1b" not in shown
    assert "IN HAND" not in shown
