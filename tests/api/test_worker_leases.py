"""Workers: messages that are held for so long, renewed while their handlers are at work, and tried again later."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import batonmq
from batonmq import aio
from tests.support.waiting import in_time

pytestmark = pytest.mark.usefixtures("quiet_worker")

SOON = 30.0
# The shortest that there is, and one that outlasts what may hold up a busy machine.
LEASES = 1, 8


def test_a_handler_may_take_longer_than_the_lease(baton: batonmq.Connection) -> None:
    def renewed(lease: int) -> None:
        queue = f"work-{lease}"
        baton.declare(queue)
        baton.send(queue, b"long")
        stop = threading.Event()
        counts: list[int] = []

        def handle(delivery: batonmq.Delivery) -> None:
            counts.append(delivery.delivery_count)
            time.sleep(2.5 * lease)  # it is at work, and somebody else would take what is not renewed
            stop.set()

        baton.run(queue, handle, concurrency=2, lease=lease, stop=stop)
        assert counts == [1]
        assert baton.count(queue) == 0

    in_time(renewed, *LEASES)


def test_a_task_may_take_longer_than_the_lease() -> None:
    async def run(lease: int) -> list[int]:
        stop = asyncio.Event()
        counts: list[int] = []

        async def handle(delivery: aio.Delivery) -> None:
            counts.append(delivery.delivery_count)
            await asyncio.sleep(2.5 * lease)
            stop.set()

        async with aio.connect("memory:") as mq:
            await mq.declare("work")
            await mq.send("work", b"long")
            await mq.run("work", handle, concurrency=2, lease=lease, stop=stop)
            assert await mq.count("work") == 0
        return counts

    def renewed(lease: int) -> None:
        assert asyncio.run(run(lease)) == [1]

    in_time(renewed, *LEASES)


STUCK = """
import os, signal, sys, threading, batonmq
with batonmq.connect(sys.argv[1]) as mq:
    def handle(delivery):
        print("at work", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
        # The signal may take a moment to stop this thread.
        threading.Event().wait(60)
    mq.run("work", handle, lease=1.0)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped here")
def test_what_a_stopped_process_held_goes_to_another(tmp_path: Path) -> None:
    path = str(tmp_path / "queues.db")
    with batonmq.connect(path) as mq:
        mq.declare("work")
        mq.send("work", b"order")
        command = [sys.executable, "-c", STUCK, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as stuck, mq.receiver("work") as receiver:
            try:
                assert stuck.stdout is not None
                assert stuck.stdout.readline() == b"at work\n"
                (again,) = receiver.receive(wait=SOON)
                assert (again.body, again.delivery_count) == (b"order", 2)
                again.accept()
            finally:
                os.kill(stuck.pid, signal.SIGKILL)


def test_what_failed_waits_in_the_queue_and_keeps_nobody_from_working(baton: batonmq.Connection) -> None:
    baton.declare("work")
    baton.send_many("work", [b"bad", b"good"])
    stop = threading.Event()
    seen: list[bytes] = []

    def handle(delivery: batonmq.Delivery) -> None:
        seen.append(delivery.body)
        if delivery.body == b"bad":
            raise ZeroDivisionError
        stop.set()

    # One at a time: it would stay in these hands for an hour.
    baton.run("work", handle, backoff=3600, backoff_max=3600, stop=stop)
    assert seen == [b"bad", b"good"]
    assert baton.count("work") == 0


def test_without_a_backoff_the_queue_says_when_it_comes_again(baton: batonmq.Connection) -> None:
    baton.declare("work", max_deliveries=3, dead_letter="dead")
    baton.send("work", b"bad")
    stop = threading.Event()
    counts: list[int] = []

    def handle(delivery: batonmq.Delivery) -> None:
        counts.append(delivery.delivery_count)
        if len(counts) == 3:
            stop.set()
        raise ZeroDivisionError

    baton.run("work", handle, backoff=0, stop=stop)
    assert counts == [1, 2, 3]
    assert baton.count("dead") == 1


@pytest.mark.parametrize("lease", [0.0, 0.5, -1.0, float("nan")])
def test_a_lease_that_is_too_short_is_refused(baton: batonmq.Connection, lease: float) -> None:
    baton.declare("work")
    with pytest.raises(ValueError, match="lease"):
        baton.run("work", print, lease=lease)
    with pytest.raises(ValueError, match="lease"):
        batonmq.Worker("memory:").handler("work", lease=lease)
