"""The order in which several processes run the tests."""

from __future__ import annotations

import pytest

from tests.support.markdown import ROOT
from tests.support.ordering import LONG, long_first

NAMES = [f"{place}{'' if place.endswith('.py') else 'test_x.py'}::test_{n}" for place in reversed(LONG) for n in (1, 2)]
NAMES += [f"tests/store/test_x.py::test_{number}" for number in range(200)]


@pytest.mark.parametrize("processes", [2, 3, 4, 7])
def test_each_share_begins_with_what_takes_long(processes: int) -> None:
    ordered = long_first([(name, name) for name in NAMES], processes)
    assert sorted(ordered) == sorted(NAMES)
    most = len(ordered) // processes
    for share in (ordered[process * most : (process + 1) * most] for process in range(processes)):
        are_long = [name.startswith(LONG) for name in share]
        assert any(are_long)
        assert are_long == sorted(are_long, reverse=True)


def test_what_takes_long_stays_with_one_process() -> None:
    ordered = long_first([(name, name) for name in NAMES], 3)
    for place in LONG:
        first, second = (number for number, name in enumerate(ordered) if name.startswith(place))
        assert second == first + 1


def test_the_others_stay_in_their_order() -> None:
    ordered = [name for name in long_first([(name, name) for name in NAMES], 3) if not name.startswith(LONG)]
    assert ordered == [name for name in NAMES if not name.startswith(LONG)]


def test_more_of_what_takes_long_than_a_share_holds_is_there_all_the_same() -> None:
    names = [name for name in NAMES if name.startswith(LONG)]
    assert sorted(long_first([(name, name) for name in names], 3)) == sorted(names)


@pytest.mark.parametrize("place", LONG)
def test_what_takes_long_is_there(place: str) -> None:
    assert (ROOT / place).exists()
