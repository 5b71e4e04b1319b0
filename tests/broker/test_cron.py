"""Cron expressions: what they match, in local time, also where the clock is set, and what is none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from batonmq.broker.features.cron import Cron, CronError, parse_cron

Zone = Callable[[str], None]
# Central Europe: an hour ahead of UTC, two in summer, from 2 o'clock of the last Sunday of March until 3 o'clock of
# that of October.
BERLIN = "CET-1CEST,M3.5.0/2,M10.5.0/3"


@pytest.fixture(autouse=True)
def zone() -> Iterator[Zone]:
    """Sets the machine's time zone, UTC at first, for the test."""
    before = os.environ.get("TZ")

    def move_to(name: str | None) -> None:
        if name is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = name
        time.tzset()

    move_to("UTC")
    yield move_to
    move_to(before)


def at(text: str, *, fold: int = 0) -> int:
    """A local time as milliseconds of the epoch."""
    return int(datetime.fromisoformat(text).replace(fold=fold).timestamp() * 1000)


def times(expression: str, start: str, count: int) -> list[str]:
    """The next times after a local time."""
    moment, found = at(start), []
    for _ in range(count):
        moment = Cron(expression).after(moment)
        found.append(datetime.fromtimestamp(moment // 1000).isoformat(" ", "minutes"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", ["2026-11-23 15:38", "2026-11-23 15:39"]),
        ("0 * * * *", ["2026-11-23 16:00", "2026-11-23 17:00"]),
        ("*/20 15 * * *", ["2026-11-23 15:40", "2026-11-24 15:00"]),
        ("37,50 15 * * *", ["2026-11-23 15:50", "2026-11-24 15:37"]),
        ("10-40/15 * * * *", ["2026-11-23 15:40", "2026-11-23 16:10"]),
        ("0 9 * * MON-FRI", ["2026-11-24 09:00", "2026-11-25 09:00"]),
        ("0 9 * * 0", ["2026-11-29 09:00", "2026-12-06 09:00"]),
        ("0 9 * * 7", ["2026-11-29 09:00", "2026-12-06 09:00"]),
        ("0 9 * * Sat-Sun", ["2026-11-28 09:00", "2026-11-29 09:00"]),
        ("0 0 1 JAN,jul *", ["2027-01-01 00:00", "2027-07-01 00:00"]),
        ("0 0 31 * *", ["2026-12-31 00:00", "2027-01-31 00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("59 23 31 12 *", ["2026-12-31 23:59", "2027-12-31 23:59"]),
    ],
)
def test_the_next_times(expression: str, expected: list[str]) -> None:
    assert times(expression, "2026-11-23 15:37:33", 2) == expected


def test_a_time_that_matches_is_not_after_itself() -> None:
    assert times("37 15 * * *", "2026-11-23 15:37", 1) == ["2026-11-24 15:37"]


def test_day_of_month_or_of_week_where_both_are_restricted() -> None:
    assert times("0 0 25 * FRI", "2026-11-23", 3) == ["2026-11-25 00:00", "2026-11-27 00:00", "2026-12-04 00:00"]


def test_day_of_month_and_of_week_where_one_begins_with_a_star() -> None:
    # Mondays with an odd number.
    assert times("0 0 */2 * MON", "2026-11-22", 2) == ["2026-11-23 00:00", "2026-12-07 00:00"]


def test_the_29_of_february_on_a_weekend_is_found_after_years() -> None:
    assert times("0 0 29 2 */6", "2026-01-01", 2) == ["2032-02-29 00:00", "2048-02-29 00:00"]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * 0 *",
        "* * * * 8",
        "* * * * MONDAY",
        "JAN * * * *",
        "-1 * * * *",
        "1- * * * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "*/ * * * *",
        "*/99 * * * *",
        "5/10 * * * *",
        "1,,2 * * * *",
        "* * 30 2 *",
        "* * 31 4,6,9,11 *",
        "@hourly",
        "\u0663 * * * *",
        "a b c d e",
        "1," * 200 + "1 * * * *",
    ],
)
def test_what_is_no_expression(expression: str) -> None:
    with pytest.raises(CronError):
        parse_cron(expression)


def test_times_are_local(zone: Zone) -> None:
    zone(BERLIN)
    moment = Cron("0 9 * * *").after(at("2026-07-01 12:00"))
    assert datetime.fromtimestamp(moment // 1000, UTC).isoformat() == "2026-07-02T07:00:00+00:00"


def test_a_time_that_the_clock_jumps_over_comes_as_much_later(zone: Zone) -> None:
    zone(BERLIN)
    assert times("30 2 * * *", "2026-03-28 12:00", 2) == ["2026-03-29 03:30", "2026-03-30 02:30"]


def test_nothing_comes_twice_when_the_clock_is_set_forward(zone: Zone) -> None:
    zone(BERLIN)
    assert times("*/30 * * * *", "2026-03-29 01:00", 4) == [
        "2026-03-29 01:30",
        "2026-03-29 03:00",
        "2026-03-29 03:30",
        "2026-03-29 04:00",
    ]


def test_a_fixed_hour_that_comes_twice_counts_once(zone: Zone) -> None:
    zone(BERLIN)
    assert times("30 2 * * *", "2026-10-24 12:00", 2) == ["2026-10-25 02:30", "2026-10-26 02:30"]


def test_every_hour_goes_on_through_the_hour_that_comes_twice(zone: Zone) -> None:
    zone(BERLIN)
    moment = at("2026-10-25 01:30")
    for _ in range(8):
        following = Cron("*/30 * * * *").after(moment)
        assert following - moment == 1_800_000
        moment = following


def test_in_the_second_pass_of_an_hour_the_next_time_is_later(zone: Zone) -> None:
    zone(BERLIN)
    moment = at("2026-10-25 02:10", fold=1)
    assert Cron("30 2 * * *").after(moment) - moment == 20 * 60_000


def test_what_never_comes_is_refused_at_once() -> None:
    """400 expressions without a day took three seconds, in which nobody was served."""
    started = time.process_time()
    for number in range(400):
        with pytest.raises(CronError, match="no day that matches"):
            Cron(f"{number % 60} {number // 60} 31 2,4,6,9,11 *")
    assert time.process_time() - started < 1


def test_the_rarest_day_is_found() -> None:
    monday = Cron("0 0 29 feb */1")
    assert monday.after(at("2024-03-01")) == at("2028-02-29")
    assert Cron("0 0 31 1-12 *").after(at("2024-01-31")) == at("2024-03-31")
    with pytest.raises(CronError):
        Cron("0 0 30,31 2 *")
    # Where both are restricted, one is enough, and Mondays there are.
    assert Cron("0 0 31 2 1").after(at("2024-02-01")) == at("2024-02-05")
