"""Owners that are killed at an instant that chance seldom hits: what other processes were told stays true."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import batonmq

ROOT = Path(__file__).parents[3]

# Programs: what they do with the file, and where they are killed. Who takes over waits long for what others hold.
BEGINNING = """
import os, signal, sys, threading, time, batonmq
from batonmq import points
from batonmq.engines.shared import claims
claims.GRACE_SECONDS = 60.0
def say(text): print(text, flush=True)
def die(): os.kill(os.getpid(), signal.SIGKILL)
mq = batonmq.connect(sys.argv[1])
"""
OWNER = (
    BEGINNING
    + """
mq.declare("orders")
say("ready")
sys.stdin.readline()
def die_slowly():
    time.sleep(0.3)
    die()
receiver = mq.receiver("orders")
receiver.receive(wait=0)
points.arm("commit.ready", die_slowly)
say("armed")
for delivery in receiver:
    say("got it")
"""
)
HOLDER = (
    BEGINNING
    + """
receiver = mq.receiver("orders")
(delivery,) = receiver.receive()
say("holds it")
sys.stdin.readline()
delivery.accept()
receiver.close()
mq.close()
say("accepted")
"""
)
HEIR = """
import os, signal, sys
from batonmq import points
from batonmq.engines.shared import claims
claims.GRACE_SECONDS = 60.0
points.arm("take_over.begun", lambda: print("takes over", flush=True))
points.arm("answer.sent", lambda: os.kill(os.getpid(), signal.SIGKILL))
import batonmq
batonmq.connect(sys.argv[1]).close()
"""


class Programs:
    """Processes on one file, killed in the end."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stack = ExitStack()

    def start(self, program: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, self._path]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        return process

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def programs(path: str) -> Iterator[Programs]:
    programs = Programs(path)
    yield programs
    programs.close()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_what_a_process_asks_the_next_owner_for_again_was_seen_by_nobody(path: str, programs: Programs) -> None:
    """Its message would come to the next consumer as if it were new."""
    owner = programs.start(OWNER)
    assert heard(owner) == "ready"
    with batonmq.connect(path) as mq:
        go_on(owner)
        assert heard(owner) == "armed"
        mq.send("orders", b"1")
        assert heard(owner) == ""
        with mq.receiver("orders") as receiver:
            (delivery,) = receiver.receive()
            assert not delivery.redelivered
            delivery.accept()


def test_what_is_held_outlives_an_owner_that_is_killed_before_it_has_done_anything(
    path: str, programs: Programs
) -> None:
    owner = programs.start(OWNER)
    assert heard(owner) == "ready"
    with batonmq.connect(path) as mq:
        mq.send("orders", b"1")
    holder = programs.start(HOLDER)
    assert heard(holder) == "holds it"
    # So that another process takes the file. A signal takes effect some time after it was sent.
    os.kill(holder.pid, signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(holder.pid, os.WUNTRACED)[1])
    owner.kill()
    heir = programs.start(HEIR)
    assert heard(heir) == "takes over"
    os.kill(holder.pid, signal.SIGCONT)
    assert heir.wait() == -signal.SIGKILL
    go_on(holder)
    assert heard(holder) == "accepted"
    with batonmq.connect(path) as mq:
        assert mq.count("orders") == 0
