"""The samples of one object: which there are, which are forgotten, what they cost."""

from __future__ import annotations

import pytest

from batonmq.management.statistics.kinds import EXCHANGE, QUEUE
from batonmq.management.statistics.rings import BRIEF, LONG, WHOLE, Geometry
from batonmq.management.statistics.series import Series
from batonmq.management.statistics.shown import Figures, Range

# A tick that begins a minute, an hour and a day.
NOON = 17_280 * 20_000


def grown(ticks: int, geometry: Geometry = LONG, by: int = 1) -> Series:
    """A counter that goes up with each tick."""
    series = Series(geometry, 1, NOON - 1)
    for tick in range(ticks):
        series.write(NOON + tick, (by * (tick + 1),))
    return series


def test_each_ring_has_the_samples_of_its_own_times() -> None:
    series = grown(1000)
    minute, hour, day = LONG.rings
    now = series.tick
    assert [series.value(minute, 0, now - back) for back in (0, 1, 12)] == [1000, 999, 988]
    # What the ring does not have any more is the oldest that it has.
    assert series.value(minute, 0, now - 13) == 988
    # 999 ticks after noon the last whole minute was that of tick 996.
    assert [series.value(hour, 0, now - back * 12) for back in (0, 1, 60)] == [997, 985, 277]
    assert [series.value(day, 0, now - back * 360) for back in (0, 1)] == [721, 361]


def test_before_the_first_sample_everything_was_nothing() -> None:
    series = grown(3)
    assert [series.value(LONG.rings[0], 0, series.tick - back) for back in (2, 3, 12)] == [1, 0, 0]
    assert series.rate(0) == 1.0
    assert grown(1, by=10).rate(0) == 10.0


def test_what_never_moved_takes_no_room() -> None:
    series = Series(LONG, 3, NOON)
    for tick in range(1, 100):
        series.write(NOON + tick, (0, 0, 0))
    assert series.size == 0
    series.write(NOON + 100, (0, 7, 0))
    assert series.size == 4 * LONG.slots == 492
    assert series.value(LONG.rings[0], 1, NOON + 99) == 0
    assert series.value(LONG.rings[0], 1, NOON + 100) == 7
    assert BRIEF.slots * 4 == 296


def test_a_counter_that_grows_out_of_four_bytes_goes_on_in_eight() -> None:
    series = Series(BRIEF, 1, NOON)
    for tick, value in enumerate((2**32 - 1, 2**32, 2**63), 1):
        series.write(NOON + tick, (value,))
    assert [series.value(BRIEF.rings[0], 0, NOON + tick) for tick in (1, 2, 3)] == [2**32 - 1, 2**32, 2**63]
    assert series.size == 2 * BRIEF.slots * 4
    series.write(NOON + 4, (2**70,))
    series.write(NOON + 5, (-1,))
    assert [series.value(BRIEF.rings[0], 0, NOON + tick) for tick in (4, 5)] == [2**64 - 1, 0]


@pytest.mark.parametrize("gap", [2, 13, 40, 5_000, 100_000])
def test_ticks_that_were_left_out_are_as_the_last_before(gap: int) -> None:
    series = grown(10)
    series.write(series.tick + gap, (500,))
    for ring in LONG.rings:
        assert series.value(ring, 0, series.tick) == (500 if (NOON + 9) // ring.step < series.tick // ring.step else 1)
    minute = LONG.rings[0]
    assert series.value(minute, 0, series.tick - 1) == 10
    assert series.rate(0) == 490.0


def figures(series: Series, now: int) -> Figures:
    return Figures(EXCHANGE, (now, 0), (series,), series.tick)


def two_columns(ticks: int) -> Series:
    series = Series(WHOLE, 2, NOON - 1)
    for tick in range(ticks):
        series.write(NOON + tick, (10 * (tick + 1), 0))
    return series


def test_samples_stand_at_whole_multiples_of_their_step_the_newest_first() -> None:
    series = two_columns(121)
    shown = figures(series, 1234).show(("publish_in",), Range(60, 20))
    assert shown["publish_in"] == 1234
    details = shown["publish_in_details"]
    assert isinstance(details, dict)
    end = (NOON + 120) * 5
    assert details["samples"] == [
        {"sample": 1210 - back * 40, "timestamp": (end - back * 20) * 1000} for back in range(4)
    ]
    # 10 in 5 seconds.
    assert details["rate"] == 2.0
    assert details["avg_rate"] == 2.0
    assert details["avg"] == 1150.0


def test_without_a_range_there_is_the_rate_alone() -> None:
    assert figures(two_columns(2), 20).details("publish_in", None) == {"rate": 2.0}
    assert Figures(EXCHANGE, (5, 0), (), NOON).details("publish_in", None) == {"rate": 0.0}


def test_what_was_not_seen_any_more_has_no_rate() -> None:
    series = two_columns(2)
    assert Figures(EXCHANGE, (20, 0), (series,), series.tick + 1).details("publish_in", None) == {"rate": 0.0}


def test_an_object_without_samples_has_as_many_that_are_nothing() -> None:
    details = Figures(EXCHANGE, (5, 0), (), NOON).details("publish_in", Range(10, 5))
    assert details["samples"] == [{"sample": 0, "timestamp": (NOON * 5 - back) * 1000} for back in (0, 5, 10)]


def test_sums_of_counters_have_samples_too() -> None:
    values = dict.fromkeys(QUEUE.columns, 0) | {
        "messages_ready": 3,
        "messages_unacknowledged": 4,
        "deliver": 1,
        "get": 2,
    }
    series = Series(QUEUE.geometry, len(QUEUE.columns), NOON)
    series.write(NOON + 1, tuple(values.values()))
    shown = Figures(QUEUE, tuple(values.values()), (series,), NOON + 1)
    assert (shown.value("messages"), shown.value("deliver_get")) == (7, 3)
    assert shown.details("messages", None) == {"rate": 1.4}


def test_what_does_not_move_is_idle_since_it_moved_last() -> None:
    series = two_columns(3)
    moved = series.tick
    now = (30, 0)
    assert Figures(EXCHANGE, now, (series,), moved).idle_since() is None
    for tick in (1, 2):
        series.write(moved + tick, now)
        assert Figures(EXCHANGE, now, (series,), moved + tick).idle_since() == moved * 5
    # It has moved since the last sample; or there is none yet.
    assert Figures(EXCHANGE, (31, 0), (series,), moved + 2).idle_since() is None
    assert Figures(EXCHANGE, now, (), moved + 2).idle_since() is None
    other = two_columns(1)
    other.write(moved + 2, (11, 0))
    assert Figures(EXCHANGE, (41, 0), (series, other), moved + 2).idle_since() is None
    other.write(moved + 3, (11, 0))
    series.write(moved + 3, now)
    assert Figures(EXCHANGE, (41, 0), (series, other), moved + 3).idle_since() == (moved + 2) * 5
