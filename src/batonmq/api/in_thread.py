"""What is opened in a thread for a task that may be cancelled meanwhile.

The thread cannot be: it opens a connection or a file all the same, and nobody has it. So what came too late is closed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["opened_in_thread"]

T = TypeVar("T")


async def opened_in_thread(opening: Callable[[], T], close: Callable[[T], object]) -> T:
    """``opening()`` in a thread. If this task is cancelled, ``close`` gets what was opened, in a thread as well.

    Raises what ``opening`` raises.
    """
    lock = threading.Lock()
    unwanted = threading.Event()
    opened: list[T] = []

    def run() -> T:
        result = opening()
        with lock:
            opened.append(result)
            is_late = unwanted.is_set()
        if is_late:
            close(result)
        return result

    try:
        return await asyncio.to_thread(run)
    except asyncio.CancelledError:
        with lock:
            unwanted.set()
            # What comes later is closed where it was opened.
            early = list(opened)
        for result in early:
            threading.Thread(target=close, args=(result,), name="batonmq-close").start()
        raise
