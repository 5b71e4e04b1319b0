"""What waits for an outcome never waits in vain."""

from __future__ import annotations

import logging

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
