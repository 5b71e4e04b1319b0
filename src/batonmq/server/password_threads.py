"""The threads in which passwords are checked: they get what the processors have left when all others have had theirs.

A check takes some tens of milliseconds of a processor, and a flood of wrong passwords has checks always under way.
Beside a siege, on one processor with two threads of a lower priority (nice 5), the loop waited 11 of 31 seconds for
them, and half of all confirms took 17 ms; with two that get what is left alone (SCHED_IDLE, sched(7)), 3 s and 5 ms.
Such a thread gets nothing at all while other programs take every processor: a check that has not come to an end in time
is begun again in a thread that has a share of its own. The end of the process waits for none of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final

from batonmq.server.passwords import verify_password

__all__ = ["PATIENCE", "STEP_BACK", "THREADS", "PasswordThreads"]

logger = logging.getLogger(__name__)

THREADS: Final = 2
"""How many checks run at a time. Each takes 16 MiB."""
PATIENCE: Final = 0.25
"""Seconds that a check may take in what is left of the processors: some five times what it needs."""
STEP_BACK: Final = 5
"""By how much the priority of the thread with a share of its own is lower than the loop's (setpriority(2)). It has a
third of what any other program has: with a step of 10 it was a tenth, and log-ins took seconds."""


def run_last() -> None:
    """Let everybody else go before this thread, for good. Linux alone has a scheduling policy for each thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def step_back() -> None:
    """Let the other threads go before this one, for good. Linux alone has a priority for each thread."""
    if sys.platform == "linux":
        own = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + STEP_BACK)


class Workers:
    """Threads that are started when there is work, and that the end of the process does not wait for."""

    def __init__(self, most: int, begin: Callable[[], None]) -> None:
        self._most = most
        self._begin = begin
        self._threads: list[threading.Thread] = []
        self._work: SimpleQueue[tuple[Future[bool], str, str] | None] = SimpleQueue()

    def submit(self, password: str, stored: str) -> Future[bool]:
        """Is this the password whose hash is kept? What has not begun may be cancelled."""
        future: Future[bool] = Future()
        self._work.put((future, password, stored))
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._run, name="batonmq-passwords", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def stop(self) -> None:
        """Begin nothing more, and end the threads when what has begun is done. Nothing else may be submitted."""
        with contextlib.suppress(Empty):
            while (work := self._work.get_nowait()) is not None:
                work[0].cancel()
        for _ in self._threads:
            self._work.put(None)

    def _run(self) -> None:
        self._begin()
        while (work := self._work.get()) is not None:
            future, password, stored = work
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(verify_password(password, stored))
            except Exception as error:  # noqa: BLE001 - whoever waits for it tells
                future.set_exception(error)


class PasswordThreads:
    """Checks passwords beside a loop. Whoever calls has no more than ``THREADS`` under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._last = Workers(THREADS, run_last)
        self._sure = Workers(1, step_back)
        self._is_stopped = False

    def check(self, password: str, stored: str, done: Callable[[bool], None]) -> None:
        """Call back on the loop, once: is this the password whose hash is kept? Never after ``stop``."""
        is_done = False

        def told(found: asyncio.Future[bool]) -> None:
            nonlocal is_done
            if is_done or self._is_stopped or found.cancelled():
                return
            is_done = True
            hurrying.cancel()
            first.cancel()
            error = found.exception()
            if error is not None:
                logger.error("a password could not be checked: %r", error)
            done(error is None and found.result())

        def hurry() -> None:
            # If it was not even begun, it need not be.
            first.cancel()
            if not self._is_stopped:
                self._submit(self._sure, password, stored, told)

        first = self._submit(self._last, password, stored, told)
        hurrying = self._loop.call_later(PATIENCE, hurry)

    def _submit(
        self, workers: Workers, password: str, stored: str, told: Callable[[asyncio.Future[bool]], None]
    ) -> Future[bool]:
        future = workers.submit(password, stored)
        asyncio.wrap_future(future, loop=self._loop).add_done_callback(told)
        return future

    def stop(self) -> None:
        """Start no further check."""
        self._is_stopped = True
        for workers in (self._last, self._sure):
            workers.stop()
