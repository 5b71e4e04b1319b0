"""Workers: what becomes of a message whose handler returns, raises, blocks or is told to stop."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

import batonmq
from batonmq import aio
from batonmq.api.workers.synchronous import stop_on_signals

pytestmark = pytest.mark.usefixtures("quiet_worker")

SOON = 30.0


@pytest.fixture
def mq() -> Iterator[batonmq.Connection]:
    with batonmq.connect("memory:") as mq:
        mq.declare("work", dead_letter="dead")
        yield mq


def test_each_message_is_handled_and_accepted(mq: batonmq.Connection) -> None:
    stop = threading.Event()
    found: SimpleQueue[bytes] = SimpleQueue()

    def handle(delivery: batonmq.Delivery) -> None:
        found.put(delivery.body)
        if found.qsize() == 3:
            stop.set()

    mq.send_many("work", [b"1", b"2", b"3"])
    mq.run("work", handle, stop=stop)
    assert [found.get() for _ in range(3)] == [b"1", b"2", b"3"]
    assert mq.count("work") == 0


def test_a_message_whose_handler_fails_comes_again_and_is_dead_after_its_attempts(mq: batonmq.Connection) -> None:
    stop = threading.Event()
    counts: list[int] = []

    def handle(delivery: batonmq.Delivery) -> None:
        if delivery.body == b"end":
            stop.set()
            return
        counts.append(delivery.delivery_count)
        raise ZeroDivisionError

    mq.send_many("work", [b"poison", b"end"])
    mq.run("work", handle, attempts=3, backoff=0, stop=stop)
    assert counts == [1, 2, 3]
    assert [message.body for message in mq.peek("dead")] == [b"poison"]


def test_so_many_messages_are_worked_on_at_once(mq: batonmq.Connection) -> None:
    stop = threading.Event()
    together = threading.Barrier(4, stop.set)
    mq.send_many("work", [b""] * 4)
    mq.run("work", lambda _: together.wait(SOON), concurrency=4, stop=stop)
    assert not together.broken


def test_what_is_not_done_within_the_drain_time_goes_back(mq: batonmq.Connection) -> None:
    stop, done = threading.Event(), threading.Event()

    def handle(_: batonmq.Delivery) -> None:
        stop.set()
        done.wait(SOON)

    mq.send("work", b"slow")
    mq.run("work", handle, drain=0.01, stop=stop)
    assert mq.count("work") == 1
    done.set()


def test_a_queue_that_is_not_there_ends_the_worker(mq: batonmq.Connection) -> None:
    with pytest.raises(batonmq.NotFound):
        mq.run("nowhere", print)


def test_a_queue_that_is_deleted_ends_the_worker(mq: batonmq.Connection) -> None:
    mq.send("work", b"")
    with pytest.raises(batonmq.NotFound):
        mq.run("work", lambda _: mq.delete("work"))


def test_a_handler_that_exits_ends_the_worker_and_its_message_goes_back(mq: batonmq.Connection) -> None:
    mq.send("work", b"exit")
    with pytest.raises(SystemExit):
        mq.run("work", lambda _: sys.exit(3))
    assert mq.count("work") == 1


def test_a_task_that_exits_ends_the_worker_and_its_message_goes_back() -> None:
    async def run() -> None:
        async def leave(_: aio.Delivery) -> None:
            sys.exit(3)

        async with aio.connect("memory:") as mq:
            await mq.declare("work")
            await mq.send("work", b"exit")
            with pytest.raises(SystemExit):
                await mq.run("work", leave)
            assert await mq.count("work") == 1

    asyncio.run(run())


def test_a_cancellation_that_a_handler_lets_out_is_its_failure() -> None:
    async def run() -> None:
        stop = asyncio.Event()

        async def leaks(delivery: aio.Delivery) -> None:
            if delivery.body == b"end":
                stop.set()
                return
            raise asyncio.CancelledError

        async with aio.connect("memory:") as mq:
            await mq.declare("work", dead_letter="dead")
            await mq.send_many("work", [b"leaks", b"end"])
            await asyncio.wait_for(mq.run("work", leaks, attempts=1, stop=stop), SOON)
            assert await mq.count("dead") == 1

    asyncio.run(run())


@pytest.mark.parametrize("timeout", [None, SOON])
@pytest.mark.parametrize("act", ["waits", "raises", "returns"])
def test_a_handler_that_cancels_its_own_task_leaves_the_worker_one(act: str, timeout: float | None) -> None:
    async def run() -> None:
        stop = asyncio.Event()

        async def cancels(delivery: aio.Delivery) -> None:
            if delivery.body == b"end":
                stop.set()
                return
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            if act == "waits":
                await asyncio.sleep(SOON)
            elif act == "raises":
                raise ZeroDivisionError

        async with aio.connect("memory:") as mq:
            await mq.declare("work", dead_letter="dead")
            await mq.send_many("work", [b"1", b"2", b"end"])
            await asyncio.wait_for(mq.run("work", cancels, attempts=1, timeout=timeout, stop=stop), SOON)
            assert (await mq.count("work"), await mq.count("dead")) == (0, 0 if act == "returns" else 2)

    asyncio.run(run())


def test_whoever_cancels_a_worker_ends_it_and_its_message_goes_back_unharmed() -> None:
    async def run() -> None:
        begun = asyncio.Event()

        async def waits(_: aio.Delivery) -> None:
            begun.set()
            await asyncio.Event().wait()

        async with aio.connect("memory:") as mq:
            await mq.declare("work", dead_letter="dead")
            await mq.send("work", b"17")
            work = asyncio.create_task(mq.run("work", waits, attempts=1))
            await begun.wait()
            # As asyncio.run does it at the end: all tasks, in no order.
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert (await mq.count("work"), await mq.count("dead")) == (1, 0)

    asyncio.run(run())


def test_tasks_handle_fail_and_stop_as_threads_do() -> None:
    async def run() -> None:
        async with aio.connect("memory:") as mq:
            await mq.declare("work", dead_letter="dead")
            await mq.send_many("work", [b"poison", b"good", b"slow"])
            stop = asyncio.Event()

            async def handle(delivery: aio.Delivery) -> None:
                if delivery.body == b"poison":
                    raise ZeroDivisionError
                if delivery.body == b"slow":
                    stop.set()
                    await asyncio.Event().wait()

            await mq.run("work", handle, attempts=1, drain=0.01, stop=stop)
            assert [message.body for message in await mq.peek("work", 9)] == [b"slow"]
            assert [message.body for message in await mq.peek("dead", 9)] == [b"poison"]

    asyncio.run(run())


WORKER = """
import os, sys, threading
import batonmq
stop = threading.Event()
with batonmq.connect(sys.argv[1]) as mq:
    def handle(delivery):
        os.write(1, b"started\\n")
        # Until the signal is heard, and a little longer.
        stop.wait(60)
        os.write(1, b"finished\\n")
    mq.run("work", handle, stop=stop)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_sigterm_lets_the_handler_finish(tmp_path: Path) -> None:
    path = str(tmp_path / "queues.db")
    with batonmq.connect(path) as mq:
        mq.declare("work")
        mq.send_many("work", [b"1", b"2"])
    worker = subprocess.Popen([sys.executable, "-c", WORKER, path], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    with worker.stdout as output:
        assert output.readline() == b"started\n"
        worker.send_signal(signal.SIGTERM)
        assert output.read() == b"finished\n"
        assert worker.wait(SOON) == 0
    with batonmq.connect(path) as mq:
        assert [message.body for message in mq.peek("work", 9)] == [b"2"]


DEADLY = """
import os, signal, sys
import batonmq
def handle(delivery):
    os.write(1, b"%d\\n" % delivery.delivery_count)
    if delivery.body == b"poison":
        os.kill(os.getpid(), signal.SIGKILL)
    stop.set()
import threading
stop = threading.Event()
with batonmq.connect(sys.argv[1]) as mq:
    mq.run("work", handle, attempts=2, stop=stop)
"""


def test_a_message_that_kills_its_worker_has_as_many_attempts_as_any(tmp_path: Path) -> None:
    path = str(tmp_path / "queues.db")
    with batonmq.connect(path) as mq:
        mq.declare("work", dead_letter="dead")
        mq.send_many("work", [b"poison", b"good"])
    command = [sys.executable, "-c", DEADLY, path]
    said = [subprocess.run(command, stdout=subprocess.PIPE, timeout=30, check=False).stdout for _ in range(3)]
    assert said == [b"1\n", b"2\n", b"1\n"]
    with batonmq.connect(path) as mq:
        assert (mq.count("work"), mq.count("dead")) == (0, 1)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_may_come_while_the_main_thread_waits_for_it(number: int) -> None:
    stop, again = threading.Event(), threading.Event()
    with stop_on_signals(stop, again):
        # As in the middle of its wait.
        with stop._cond:  # type: ignore[attr-defined]
            signal.raise_signal(number)
        assert stop.wait(SOON)
        signal.raise_signal(number)
        assert again.wait(SOON)


def test_the_second_signal_may_interrupt() -> None:
    stop = threading.Event()
    with stop_on_signals(stop, interrupts=True):
        signal.raise_signal(signal.SIGTERM)
        assert stop.wait(SOON)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
