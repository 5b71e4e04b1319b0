"""Lists of ten thousand queues are made beside the broker's own work: the loop is never held for long.

What is measured is the processor time of the loop's thread between two passes, not the time of a clock: it is the same
on a machine that has much else to do.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Self

import pytest
from tests.support.managed import Http, ManagedServer

from batonmq.management.statistics.totals import Seen, take_totals
from batonmq.message import Message
from batonmq.properties import Properties

QUEUES = 10_000
# 5 ms are promised. A pass takes 1 to 3 ms; what a busy machine takes from the caches comes on top.
MOST_SECONDS = 0.010


class Passes:
    """Measures the passes of a server's loop."""

    def __init__(self, server: ManagedServer) -> None:
        self._loop = server.loop
        self._last: float | None = None
        self._is_over = threading.Event()
        self.longest: list[float] = []

    def _passed(self) -> None:
        now = time.thread_time()
        if self._last is not None:
            self.longest.append(now - self._last)
        self._last = now
        if not self._is_over.is_set():
            self._loop.call_soon(self._passed)

    def __enter__(self) -> Self:
        self._loop.call_soon_threadsafe(self._passed)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    with ManagedServer(tmp_path_factory.mktemp("many")) as server:
        done = threading.Event()

        def make() -> None:
            vhost = server.server.broker.vhosts["/"]
            for number in range(QUEUES):
                name = f"q{number:05}"
                queue = vhost.add_queue(name, durable=False, auto_delete=False, owner=None, arguments={})
                queue.publish(Message("", name, Properties.make(), b"x"))
            done.set()

        server.loop.call_soon_threadsafe(make)
        done.wait()
        yield server


@pytest.mark.parametrize(
    "path",
    [
        "queues?disable_stats=true&enable_queue_totals=true",
        "queues?page=7&page_size=100&sort=messages_ready&columns=name",
        "queues?name=9&page=1&page_size=10",
        "bindings",
    ],
)
def test_no_list_holds_the_loop(many: ManagedServer, path: str) -> None:
    with Http(many.http_port) as http:
        # The first answer of its kind finds nothing prepared.
        http.get("/api/whoami")
        with Passes(many) as passes:
            # Not decoded: it is this process's own time otherwise.
            assert http("GET", f"/api/{path}").status == 200
    assert len(passes.longest) > 10
    # Two of many thousand passes may be those in which the garbage collector runs.
    assert sorted(passes.longest)[-3] < MOST_SECONDS


def test_reading_all_counters_does_not_hold_the_loop(many: ManagedServer) -> None:
    broker = many.server.broker
    with Passes(many) as passes:
        totals = asyncio.run_coroutine_threadsafe(take_totals(broker, Seen()), many.loop).result(40)
    assert totals.objects["/"].queues == QUEUES
    assert len(passes.longest) > 10
    assert sorted(passes.longest)[-3] < MOST_SECONDS
