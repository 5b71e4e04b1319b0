"""What takes several answers, written as one function: a generator that yields futures until it returns.

    def count(self, queue: str) -> Steps[int]:
        answer = yield from wait_for(self._desk.ask(...))
        return answer.body

Each step runs in the thread that resolves the future before it: the loop's, mostly, which must not be kept waiting.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

from batonmq.engines.futures import Future
from batonmq.errors import BatonError

__all__ = ["Steps", "run_steps", "wait_for"]

T = TypeVar("T")

Steps: TypeAlias = Generator[Future[Any], None, T]
"""Something that is done step by step, and comes to a T or raises an error of ours."""


def wait_for(future: Future[T]) -> Steps[T]:
    """One step: go on when the future is done. Raises what it failed with."""
    if not future.done:
        yield future
    return future.result()


def run_steps(steps: Steps[T]) -> Future[T]:
    """Begin; the future is resolved with what the last step returns, and fails with what any of them raises."""
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
