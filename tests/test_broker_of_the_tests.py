"""The broker that most tests share, and the processes that it and others are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.support.broker import Broker
from tests.support.forking import Forked


def test_it_tells_where_it_stands(own_broker: Broker) -> None:
    said = own_broker.stands()
    assert " amqp://" in said
    assert said.count("Thread 0x") + said.count("Current thread 0x") >= 2
    assert "in serve\n" in said


def test_a_process_that_has_just_ended_may_be_told_to_end() -> None:
    # The process that forks reaps it before it says how it ended.
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as said, os.fdopen(write, "w", encoding="utf-8") as says:
        says.write(f"{ended.pid}\n")
        says.flush()
        process = Forked(said, [None, None, None])
        process.kill()
        assert process.returncode is None
        says.write(f"{int(signal.SIGTERM)}\n")
        says.flush()
        assert process.wait() == -signal.SIGTERM
