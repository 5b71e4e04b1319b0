"""The threads in which passwords are checked: they only get processor time that nothing else wants.

A check takes some tens of milliseconds of a processor, and during a flood of wrong passwords there is always one under
way. In a siege on one processor with two threads of a lower priority (nice 5), the loop waited 11 of 31 seconds for
them, and half of all confirms took 17 ms; with two idle-class threads (SCHED_IDLE, sched(7)) it was 3 s and 5 ms. Such
a thread gets nothing at all while other programs use every processor, so a check that is not done in time is started
again in a thread with a share of its own. The end of the process waits for none of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

from batonmq.server.passwords import verify_password
from batonmq.server.scheduling import run_last, step_back

__all__ = ["PATIENCE", "STEP_BACK", "THREADS", "PasswordThreads"]

logger = logging.getLogger(__name__)

THREADS: Final = 2
"""How many checks run at a time. Each takes 16 MiB."""
PATIENCE: Final = 0.25
"""The seconds that a check may take in an idle-class thread: about five times what it needs."""
STEP_BACK: Final = 6
"""How far the priority of the thread with its own share is below the loop's (setpriority(2)). It then gets a third of
what any other program gets; with a step of 10 it was a tenth, and log-ins took seconds."""


class Workers:
    """Threads that start when there is work. The end of the process does not wait for them."""

    def __init__(self, most: int, begin: Callable[[], None]) -> None:
        self._most = most
        self._begin = begin
        self._threads: list[threading.Thread] = []
        self._work: SimpleQueue[tuple[Future[bool], str, str] | None] = SimpleQueue()

    def submit(self, password: str, stored: str) -> Future[bool]:
        """Check a password against a kept hash. A check that has not begun may be cancelled."""
        future: Future[bool] = Future()
        self._work.put((future, password, stored))
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._run, name="batonmq-passwords", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def stop(self) -> None:
        """Cancel waiting checks, and end the threads after their current ones. Submit nothing after this."""
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
    """Checks passwords beside a loop. The caller keeps no more than ``THREADS`` checks under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._last = Workers(THREADS, run_last)
        self._sure = Workers(1, partial(step_back, STEP_BACK))
        self._is_stopped = False

    def check(self, password: str, stored: str, done: Callable[[bool | None], None]) -> None:
        """Call back on the loop, once: is this the password whose hash is kept? None: it could not be checked.

        Never after ``stop``.
        """
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
                done(None)
            else:
                done(found.result())

        def hurry() -> None:
            # If it has not begun yet, it need not.
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
