"""A message that is handed out before it is written stands in the file as if it had come back: no mark says so."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from tests.store.conftest import commit
from tests.support.driven import Driven, let_go

from batonmq.message import FRAMING_MAX, Message, framing_of
from batonmq.properties import Properties
from batonmq.queued import DURABLE, QueuedMessage, Settlement
from batonmq.store import SqliteStore
from batonmq.store.checking import check_file
from batonmq.store.records import POSITION_BITS


@pytest.fixture
def driven(path: Path) -> Driven:
    """An empty queue, `q`, with what the file is made of on the disk."""
    driven = Driven(path)
    driven.queue()
    driven.settle()
    return driven


def lose_power(driven: Driven) -> None:
    """What was noted beside the store, and not synced, is gone as well."""
    assert driven.path is not None
    driven.path.with_name("store.db-hands").unlink()
    driven.crash()


def returned(driven: Driven) -> dict[str, int]:
    """What is in the queue, and how often it came back."""
    taker = driven.consume(prefetch=1_000)
    driven.settle()
    return {queued.message.body.decode(): queued.return_count for queued in taker.held}


def marks(driven: Driven) -> list[int]:
    """Up to where each lane was handed out, by the file."""
    db = apsw.Connection(str(driven.path))
    try:
        return [handed for (handed,) in db.execute("SELECT handed FROM lane WHERE handed > 0")]
    finally:
        db.close()


def test_what_is_handed_out_and_written_in_one_turn_costs_one_page(driven: Driven) -> None:
    driven.consume(prefetch=100)
    driven.publish("first")
    driven.settle()
    before = driven.broker.store.status().log_used
    driven.publish("second")
    driven.settle()
    status = driven.broker.store.status()
    assert status.log_used - before == status.page_size
    assert marks(driven) == []


@pytest.mark.parametrize("count", [1, 9, 50])
def test_it_comes_back_counted_after_a_power_cut_and_the_rest_as_it_was(driven: Driven, count: int) -> None:
    driven.consume(prefetch=count)
    for number in range(count + 3):
        driven.publish(f"{number}")
    driven.settle()
    lose_power(driven)
    assert returned(driven) == {f"{number}": int(number < count) for number in range(count + 3)}


def test_its_checksum_is_right(driven: Driven, path: Path) -> None:
    driven.consume(prefetch=2)
    for body in "abc":
        driven.publish(body)
    driven.settle()
    store = driven.broker.store
    assert isinstance(store, SqliteStore)
    let_go(store)
    report = check_file(str(path))
    assert report.is_whole, report


@pytest.mark.parametrize("count", [1, 40])
def test_in_the_form_of_another_protocol_it_is_no_other(path: Path, queue: Settlement, count: int) -> None:
    store = SqliteStore(str(path))
    store.open()
    store.add_lane(1, "/", "q", 0)
    properties = Properties.make(delivery_mode=2)
    message = Message("", "q", properties, b"[body]", 1, 4, framing_of(FRAMING_MAX), 6)
    first = 1 << POSITION_BITS
    for row in range(1, count + 1):
        queued = QueuedMessage(message, queue, first + row, DURABLE)
        queued.hold(None)
        store.insert(queued)
    commit(store)
    found = store.read(first, first + count, count, 1 << 20)
    assert [(one.row - first, one.returns, one.message.body) for one in found] == [
        (row, 1, b"body") for row in range(1, count + 1)
    ]
    let_go(store)
    assert [(one.messages, one.damaged) for one in check_file(str(path)).queues] == [(count, 0)]


def test_a_note_that_is_there_too_does_not_count_it_twice(driven: Driven) -> None:
    driven.consume(prefetch=2)
    driven.publish("a")
    driven.settle()
    # Is in the file already when it is handed out: noted beside it, and marked with the next commit.
    taker = driven.consume(prefetch=1)
    driven.publish("b")
    driven.publish("c")
    driven.settle()
    assert len(taker.held) == 1
    driven.crash()
    assert returned(driven) == {"a": 1, "b": 1, "c": 1}


def test_what_was_in_the_file_before_is_still_marked(driven: Driven) -> None:
    driven.publish("a")
    driven.settle()
    driven.consume(prefetch=2)
    driven.publish("b")
    driven.settle()
    assert len(marks(driven)) == 1
    lose_power(driven)
    assert returned(driven) == {"a": 1, "b": 1}


@pytest.mark.parametrize("is_written", [False, True])
def test_given_back_before_or_after_the_commit_it_counts_once(driven: Driven, is_written: bool) -> None:
    taker = driven.consume(prefetch=2)
    driven.publish("a")
    driven.broker.end_turn()
    if is_written:
        driven.settle()
    taker.leave()
    driven.settle()
    lose_power(driven)
    assert returned(driven) == {"a": 1}


def test_handed_out_once_more_it_counts_twice(driven: Driven) -> None:
    taker = driven.consume(prefetch=1)
    driven.publish("a")
    driven.broker.end_turn()
    taker.release()
    driven.settle()
    assert [queued.return_count for queued in taker.held] == [1]
    lose_power(driven)
    assert returned(driven) == {"a": 2}


def test_released_uncounted_it_comes_marked_and_not_counted(driven: Driven) -> None:
    taker = driven.consume(prefetch=1)
    driven.publish("a")
    driven.settle()
    taker.queue.release(taker.held, counted=False)
    taker.is_cancelled = True
    driven.settle()
    lose_power(driven)
    again = driven.consume(prefetch=1)
    driven.settle()
    assert [(queued.return_count, bool(queued.returns)) for queued in again.held] == [(0, True)]


def test_fetched_by_priority_it_is_no_other(path: Path) -> None:
    driven = Driven(path)
    driven.queue(x_max_priority=5)
    driven.settle()
    driven.consume(prefetch=1)
    driven.publish("low")
    driven.publish("high", priority=5)
    driven.settle()
    assert marks(driven) == []
    lose_power(driven)
    assert returned(driven) == {"high": 1, "low": 0}
