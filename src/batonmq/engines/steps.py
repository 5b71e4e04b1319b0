"""Operations that need several answers, written as one function: a generator that yields futures until it returns.

    def count(self, queue: str) -> Steps[int]:
        answer = yield from wait_for(self._desk.ask(...))
        return answer.body

Each step runs in the thread that resolves the future before it, mostly the loop's, and must not block it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

from batonmq.engines.futures import Future
from batonmq.errors import BatonError

__all__ = ["Steps", "run_steps", "wait_for"]

T = TypeVar("T")

Steps: TypeAlias = Generator[Future[Any], None, T]
"""An operation in steps, which returns a T or raises an error of ours."""


def wait_for(future: Future[T]) -> Steps[T]:
    """One step: go on when the future is done. Raises its error."""
    if not future.done:
        yield future
    return future.result()


def run_steps(steps: Steps[T]) -> Future[T]:
    """Start the steps; the future is resolved with the result of the last, and fails with the error of any."""
    outcome: Future[T] = Future()
    _go_on(steps, outcome)
    return outcome


def _go_on(steps: Steps[T], outcome: Future[T]) -> None:
    while True:
        try:
            awaited = next(steps)
        except StopIteration as end:
            outcome.resolve(end.value)
            return
        except (BatonError, ValueError) as error:
            outcome.fail(error)
            return
        if not awaited.done:
            awaited.when_done(lambda: _go_on(steps, outcome), owed=outcome)
            return
