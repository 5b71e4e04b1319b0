"""The file gives back the space of messages that are gone, in quiet times and not while it is at work."""

from __future__ import annotations

from pathlib import Path

from tests.support.driven import Driven

from batonmq.broker.vhosts import vacuum
from batonmq.store import maintenance

MEBIBYTE = 1 << 20


def fill_and_drain(driven: Driven) -> None:
    driven.queue()
    for number in range(120):
        driven.publish(str(number), size=MEBIBYTE)
        driven.turn()
    taker = driven.consume(prefetch=10)
    driven.settle()
    while taker.held:
        taker.accept(len(taker.held))
        driven.settle()
    assert len(taker.seen) == 120


def test_a_drained_file_shrinks_once_it_is_quiet(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    driven = Driven(path)
    fill_and_drain(driven)
    assert path.stat().st_size > 90 * MEBIBYTE
    for _ in range(100):
        driven.wait(vacuum.QUIET)
    kept = maintenance.FREE_PAGES_KEPT * 8_192
    # Not a step less: what is kept for the next burst is the same after each.
    assert kept <= path.stat().st_size < kept + 4 * MEBIBYTE
    assert driven.broker.timetable.next_due() is None


def test_a_busy_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    driven = Driven(path)
    fill_and_drain(driven)
    size = path.stat().st_size
    for number in range(10):
        driven.publish(str(number))
        driven.wait(vacuum.QUIET)
    assert path.stat().st_size == size


def test_a_file_that_empties_while_little_comes_is_found_to_be_sparse(tmp_path: Path) -> None:
    """Each commit adds a message and deletes another, and only some of these look at the file."""
    driven = Driven(tmp_path / "store.db")
    driven.queue()
    for number in range(120):
        driven.publish(str(number), size=MEBIBYTE)
        driven.turn()
    taker = driven.consume(prefetch=1)
    for _ in range(120 + maintenance.LOOK_COMMITS):
        taker.accept()
        driven.publish("little")
        driven.settle()
    assert driven.broker.store.is_sparse
