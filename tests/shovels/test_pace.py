"""How fast messages may go over, by a clock that is moved by hand."""

from __future__ import annotations

import pytest

from batonmq.clock import Clock
from batonmq.shovels.pace import Pace


class Moved(Clock):
    now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_without_a_rate_there_is_no_limit() -> None:
    pace = Pace(None, Moved())
    assert pace.share(200) == 200
    assert pace.spend(1e12) == 0


def test_a_rate_is_kept_over_time_with_a_second_of_burst() -> None:
    clock = Moved()
    pace = Pace(10, clock)
    assert pace.share(200) == 10
    assert pace.spend(10) == 0
    assert pace.share(200) == 1
    assert pace.spend(1) == pytest.approx(0.1)
    clock.now += 0.65
    assert pace.share(200) == 5
    assert pace.spend(5) == 0
    clock.now += 3600
    assert pace.share(200) == 10


def test_what_is_larger_than_the_burst_is_waited_for_afterwards() -> None:
    clock = Moved()
    pace = Pace(1000, clock)
    assert pace.spend(5000) == pytest.approx(4)
    clock.now += 4
    assert pace.spend(0) == 0
