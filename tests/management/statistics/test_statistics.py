"""Samples of a broker: taken once a tick, of everything that is there, and of nothing that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.driven import Driven

from batonmq.management.statistics.rings import LONG, WHOLE
from batonmq.management.statistics.statistics import Statistics


@pytest.fixture
def driven() -> Driven:
    return Driven()


@pytest.fixture
def statistics(driven: Driven, tmp_path: Path) -> Statistics:
    return Statistics(driven.broker, tmp_path)


@pytest.fixture
def tick(driven: Driven, statistics: Statistics) -> Callable[[], None]:
    """Five seconds pass, and samples are taken."""

    def pass_by() -> None:
        driven.clock.now += 5.0
        asyncio.run(statistics.sample())

    return pass_by


def test_a_queue(driven: Driven, statistics: Statistics, tick: Callable[[], None]) -> None:
    queue = driven.queue()
    tick()
    for _ in range(10):
        driven.publish("m")
    taker = driven.consume(prefetch=4)
    driven.turn()
    taker.accept(1)
    driven.turn()
    tick()
    shown = statistics.queue(queue).show(("messages", "messages_ready", "publish", "deliver", "ack"), None)
    assert shown == {
        "messages": 9,
        "messages_details": {"rate": 1.8},
        "messages_ready": 5,
        "messages_ready_details": {"rate": 1.0},
        "publish": 10,
        "publish_details": {"rate": 2.0},
        "deliver": 5,
        "deliver_details": {"rate": 1.0},
        "ack": 1,
        "ack_details": {"rate": 0.2},
    }
    # What is shown is what is there now; the rate is that of the last samples.
    driven.publish("m")
    assert statistics.queue(queue).value("publish") == 11
    tick()
    tick()
    assert statistics.queue(queue).details("publish", None) == {"rate": 0.0}


def test_what_was_there_when_samples_began_has_not_come_by_that(
    driven: Driven, statistics: Statistics, tick: Callable[[], None]
) -> None:
    queue = driven.queue()
    for _ in range(10):
        driven.publish("m")
    tick()
    assert statistics.queue(queue).show(("messages",), None) == {"messages": 10, "messages_details": {"rate": 0.0}}
    late = driven.queue("late")
    driven.publish("m", queue="late")
    tick()
    # This one has come since.
    assert statistics.queue(late).details("messages", None) == {"rate": 0.2}


def test_totals_are_of_all_queues_those_that_are_gone_included(
    driven: Driven, statistics: Statistics, tick: Callable[[], None]
) -> None:
    driven.queue("stays")
    driven.queue("goes")
    for name in ("stays", "goes", "goes"):
        driven.publish("m", queue=name)
    queue = driven.operations.find_queue("goes")
    taken = queue.take()
    assert taken is not None
    queue.accept(taken)
    tick()
    driven.operations.delete_queue("goes")
    tick()

    async def look() -> tuple[int, ...]:
        figures = await statistics.vhost("/")
        return tuple(figures.value(name) for name in ("messages", "messages_ready", "deliver"))

    assert asyncio.run(look()) == (1, 1, 1)
    totals = asyncio.run(statistics.totals())
    assert totals.objects["/"].queues == 1
    assert totals.objects["/"].exchanges == 7


def test_what_is_gone_is_forgotten(driven: Driven, statistics: Statistics, tick: Callable[[], None]) -> None:
    for number in range(20):
        driven.queue(f"q{number}")
        driven.publish("m", queue=f"q{number}")
    tick()
    before = statistics.size
    for number in range(20):
        driven.operations.delete_queue(f"q{number}")
    tick()
    # Each had two counters that had moved; that of deleted queues moves now.
    assert before - statistics.size == 4 * (20 * 2 * LONG.slots - WHOLE.slots)


def test_a_tick_has_one_sample(driven: Driven, statistics: Statistics, tick: Callable[[], None]) -> None:
    queue = driven.queue()
    tick()
    driven.publish("m")
    asyncio.run(statistics.sample())
    assert statistics.queue(queue).details("publish", None) == {"rate": 0.0}
    tick()
    assert statistics.queue(queue).details("publish", None) == {"rate": 0.2}


@pytest.mark.parametrize(("back", "is_waited_for"), [(20.0, True), (3_600.0, False)])
def test_a_clock_that_goes_back(
    driven: Driven, statistics: Statistics, tick: Callable[[], None], back: float, is_waited_for: bool
) -> None:
    queue = driven.queue()
    tick()
    before = statistics.tick
    driven.clock.now -= back
    driven.publish("m")
    tick()
    assert (statistics.tick == before) is is_waited_for
    # Samples begin anew with what is there, or wait.
    assert statistics.queue(queue).details("publish", None) == {"rate": 0.0}
    driven.publish("m")
    tick()
    assert statistics.queue(queue).details("publish", None) == {"rate": 0.0 if is_waited_for else 0.2}


def test_many_queues_are_read_in_slices(driven: Driven, statistics: Statistics) -> None:
    for number in range(3_000):
        driven.queue(f"q{number}")
    rounds = 0

    async def main() -> None:
        nonlocal rounds
        task = asyncio.ensure_future(statistics.sample())
        while not task.done():
            rounds += 1
            await asyncio.sleep(0)

    asyncio.run(main())
    # In one piece it would be two.
    assert rounds > 3
    assert statistics.tick
