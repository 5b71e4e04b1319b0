"""Threads that the system schedules in their own way, as it tells itself."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
from tests.server.echo import EchoBroker, EchoStore, until

from batonmq.server.committer import Committer
from batonmq.server.scheduling import SLICE, wait_little

Run = Callable[[Coroutine[object, object, None]], None]

TASKS = Path("/proc/self/task")


def asked_slice(thread: int) -> str:
    """The slice of a thread in nanoseconds; nothing where the system does not tell."""
    try:
        told = (TASKS / str(thread) / "sched").read_text()
    except OSError:
        return ""
    return next((line.split()[-1] for line in told.splitlines() if line.startswith("se.slice ")), "")


def has_slices() -> bool:
    if sys.platform != "linux" or not asked_slice(threading.get_native_id()):
        return False
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor.split("-")[0])) >= (6, 12)


pytestmark = pytest.mark.skipif(not has_slices(), reason="the system has no slices of a thread's own, or does not tell")


def test_a_thread_that_is_to_wait_little_keeps_its_priority() -> None:
    found: list[tuple[str, int, int]] = []

    def look() -> None:
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, min(19, os.getpriority(os.PRIO_PROCESS, own) + 3))

        def note() -> None:
            found.append((asked_slice(own), os.sched_getscheduler(own), os.getpriority(os.PRIO_PROCESS, own)))

        note()
        wait_little()
        note()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    (before, *others), (after, *same) = found
    assert (after, same) == (str(SLICE), others)
    assert before != after


def test_a_thread_that_works_in_real_time_is_left_alone() -> None:
    found: list[int] = []

    def look() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        except OSError:
            return
        wait_little()
        found.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    if not found:
        pytest.skip("this user may not work in real time")
    assert found == [os.SCHED_RR]


def test_commits_wait_little(run: Run) -> None:
    async def main() -> None:
        store = EchoStore()
        made = Committer(store, EchoBroker(store), asyncio.get_running_loop(), lambda: None)
        made.start()
        store.pending_bytes = 1
        made.kick()
        await until(lambda: not store.busy)
        threads = [each.native_id for each in threading.enumerate() if each.ident in store.threads]
        assert [asked_slice(thread or 0) for thread in threads] == [str(SLICE)]
        made.stop()

    run(main())
