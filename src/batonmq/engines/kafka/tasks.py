"""Blocking calls to a broker, run in threads, with futures for their outcome."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Future as Admitted, InvalidStateError, ThreadPoolExecutor
from typing import Final, TypeVar

from batonmq.engines.futures import Future
from batonmq.errors import BatonError, Closed

__all__ = ["Tasks"]

T = TypeVar("T")

log = logging.getLogger("batonmq.kafka")

THREADS: Final = 4


class Tasks:
    """The tasks of one connection."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "batonmq-kafka-task")
        self.closing: Admitted[None] = Admitted()
        """Done when waiting has to end."""

    def run(self, task: Callable[[], T], outcome: Future[T] | None = None) -> Future[T]:
        """Run a function soon. The future fails with its error."""
        future: Future[T] = outcome if outcome is not None else Future()

        def work() -> None:
            if self.closing.done():
                future.fail(Closed("the connection was closed"))
                return
            try:
                future.resolve(task())
            except (BatonError, ValueError) as error:
                future.fail(error)
            except Exception as error:
                log.exception("a fault of the engine's own")
                future.fail(BatonError(f"a fault of the engine's own, which the log has: {error}"))

        try:
            self._pool.submit(work)
        except RuntimeError:
            future.fail(Closed("the connection was closed"))
        return future

    def close(self) -> None:
        """Begin nothing more, and ask running calls to end."""
        with contextlib.suppress(InvalidStateError):
            self.closing.set_result(None)

    def join(self) -> None:
        """Wait for running calls, which end soon."""
        # The futures of calls that have not begun fail.
        self._pool.shutdown(wait=True, cancel_futures=False)
