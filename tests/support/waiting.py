"""Waiting for what other threads and processes bring about."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest


def until(condition: Callable[[], object], seconds: float = 90.0) -> None:
    """Returns when the condition holds; it is asked every few milliseconds, by what it looks at alone."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.005)


def in_time(case: Callable[[int], None], *periods: int) -> None:
    """Tries the case with one period after another, until it passes: a busy machine may be too slow for the first."""
    *short, last = periods
    for period in short:
        try:
            return case(period)
        # What was to be raised and was not is told by one that is no Exception.
        except (Exception, pytest.fail.Exception):  # noqa: BLE001  (the last one tells)
            continue
    return case(last)
