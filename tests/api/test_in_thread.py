"""What is opened for a task that is cancelled meanwhile is closed again."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import batonmq.aio
from batonmq.api.in_thread import opened_in_thread

SOON = 30.0


async def _cancelled(task: asyncio.Task[str]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_what_is_opened_after_the_task_was_cancelled_is_closed() -> None:
    begun, may_open, closed = threading.Event(), threading.Event(), threading.Event()

    def opening() -> str:
        begun.set()
        assert may_open.wait(SOON)
        return "it"

    async def main() -> None:
        task = asyncio.create_task(opened_in_thread(opening, lambda _: closed.set()))
        assert await asyncio.to_thread(begun.wait, SOON)
        await _cancelled(task)
        assert not closed.is_set()
        may_open.set()
        assert await asyncio.to_thread(closed.wait, SOON)

    asyncio.run(main())


def test_what_was_opened_and_not_yet_handed_over_is_closed() -> None:
    opened, closed = threading.Event(), threading.Event()

    def opening() -> str:
        opened.set()
        return "it"

    async def main() -> None:
        task = asyncio.create_task(opened_in_thread(opening, lambda _: closed.set()))
        await asyncio.sleep(0)
        # The loop stands still: it cannot hear that the thread is done.
        assert opened.wait(SOON)
        await _cancelled(task)
        assert await asyncio.to_thread(closed.wait, SOON)

    asyncio.run(main())


def test_what_is_wanted_stays_open_and_errors_are_raised() -> None:
    closed: list[str] = []
    assert asyncio.run(opened_in_thread(lambda: "it", closed.append)) == "it"
    assert closed == []
    with pytest.raises(ZeroDivisionError):
        asyncio.run(opened_in_thread(lambda: str(1 // 0), closed.append))


def test_a_connection_that_nobody_waits_for_is_closed(tmp_path: Path) -> None:
    before = set(threading.enumerate())

    async def main() -> None:
        task = asyncio.ensure_future(batonmq.aio.connect(tmp_path / "q.db")._open())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    for thread in set(threading.enumerate()) - before:
        thread.join(SOON)
        assert not thread.is_alive()
