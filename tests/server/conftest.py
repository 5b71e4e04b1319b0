from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from tests.support.failing_disk import data, disk

from batonmq.server.loops import new_event_loop

__all__ = ["data", "disk"]

type_run = Callable[[Coroutine[object, object, None]], None]


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> type_run:
    """Runs a coroutine: once on uvloop, once on asyncio's own loop."""
    factory = asyncio.new_event_loop
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
        factory = new_event_loop

    def run_on(main: Coroutine[object, object, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main)

    return run_on
