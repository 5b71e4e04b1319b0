"""How often a worker's handler is called for a message on which it fails, through every engine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

import batonmq
from batonmq import aio
from batonmq.testing.contract.hands import SOON, has_ready, needs, take
from batonmq.testing.contract.place import Place

# Set on each test, since a module-level mark would apply to the module that imports them.
quietly = pytest.mark.usefixtures("quiet_worker")


@contextmanager
def at_work(
    mq: batonmq.Connection, queue: str, handler: Callable[[batonmq.Delivery], object], **options: float | None
) -> Iterator[None]:
    stop = threading.Event()
    worker = threading.Thread(target=lambda: mq.run(queue, handler, stop=stop, **options))  # type: ignore[arg-type]
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(SOON)
    assert not worker.is_alive()


@quietly
@pytest.mark.parametrize("limit", [None, 4], ids=["plain", "limited"])
def test_attempts_come_to_an_end(place: Place, mq: batonmq.Connection, limit: int | None) -> None:
    needs(mq, "dead_letter")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead, max_deliveries=limit)
    counts: list[int] = []

    def fail(delivery: batonmq.Delivery) -> None:
        counts.append(delivery.delivery_count)
        raise ZeroDivisionError

    mq.send(queue, b"poison")
    with at_work(mq, queue, fail, attempts=4, backoff=0.0), mq.receiver(dead) as undertaker:
        (letter,) = take(undertaker, 1)
        assert letter.body == b"poison"
        letter.accept()
    assert counts == [1, 2, 3, 4]
    has_ready(mq, queue, 0)


@quietly
def test_attempts_of_a_task_come_to_an_end(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "dead_letter")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    mq.send(queue, b"poison")
    counts: list[int] = []

    async def fail(delivery: aio.Delivery) -> None:
        counts.append(delivery.delivery_count)
        raise ZeroDivisionError

    async def run() -> None:
        stop = asyncio.Event()
        async with aio.connect(place.url) as other:
            worker = asyncio.create_task(other.run(queue, fail, attempts=4, backoff=0.0, stop=stop))
            async with other.receiver(dead) as undertaker:
                assert [letter.body for letter in await undertaker.receive(wait=SOON)] == [b"poison"]
                stop.set()
                await worker

    if not place.shared:
        pytest.skip("memory is not seen from another connection")
    asyncio.run(run())
    assert counts == [1, 2, 3, 4]


@quietly
def test_each_pause_is_twice_as_long_as_the_one_before(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "dead_letter")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    times: list[float] = []

    def fail(_: batonmq.Delivery) -> None:
        times.append(time.monotonic())
        raise ZeroDivisionError

    mq.send(queue, b"poison")
    with at_work(mq, queue, fail, attempts=4, backoff=0.1), mq.receiver(dead) as undertaker:
        take(undertaker, 1)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert [pause >= wanted for pause, wanted in zip(pauses, (0.09, 0.19, 0.39), strict=True)] == [True] * 3


@quietly
def test_what_a_stopped_worker_holds_between_two_attempts_goes_back(place: Place, mq: batonmq.Connection) -> None:
    queue = place.queue()
    mq.declare(queue)
    tried = threading.Semaphore(0)

    def fail(_: batonmq.Delivery) -> None:
        tried.release()
        raise ZeroDivisionError

    mq.send(queue, b"poison")
    with at_work(mq, queue, fail, attempts=9, backoff=0.01, backoff_max=0.5):
        for _ in range(5):
            assert tried.acquire(timeout=SOON)
    with mq.receiver(queue) as receiver:
        (again,) = take(receiver, 1)
        assert (again.body, again.redelivered) == (b"poison", True)
        again.accept()
    has_ready(mq, queue, 0)


@quietly
def test_what_a_dead_letter_counted_elsewhere_counts_for_nothing(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "dead_letter", "max_deliveries")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead, max_deliveries=3)
    mq.send(queue, b"poison")
    with mq.receiver(queue) as receiver, mq.receiver(dead) as undertaker:
        for _ in range(3):
            take(receiver, 1)[0].release()
        (letter,) = take(undertaker, 1)
        assert (letter.delivery_count, letter.redelivered) == (1, False)
