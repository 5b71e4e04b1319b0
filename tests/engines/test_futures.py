"""What waits for an outcome never waits in vain."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable

import pytest

from batonmq import BatonError
from batonmq.engines.futures import Future


@pytest.mark.parametrize("is_done", [False, True])
def test_what_a_callback_owes_fails_when_it_raises(caplog: pytest.LogCaptureFixture, is_done: bool) -> None:
    first: Future[int] = Future()
    second: Future[int] = Future()

    def follow() -> None:
        raise KeyError("wrong")

    if is_done:
        first.resolve(1)
    with caplog.at_level(logging.ERROR):
        first.when_done(follow, owed=second)
        first.resolve(1)
    with pytest.raises(BatonError, match="a fault of the engine's own"):
        second.get()
    assert "wrong" in caplog.text


class Ending(asyncio.SelectorEventLoop):
    """A loop that ends just before it is told anything."""

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: object, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        self.close()
        return super().call_soon_threadsafe(callback, *args, context=context)


def test_a_loop_that_ends_while_it_is_told_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    abandoned: Future[int] = Future()
    loop = Ending()
    assert not loop.run_until_complete(abandoned.wait_async(0))
    abandoned.resolve(1)
    assert loop.is_closed()
    assert not caplog.records
