"""Rows that one statement writes: any number, to any addresses, each as it would be written alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest
from tests.store.conftest import commit

from batonmq import points
from batonmq.errors import StoreError
from batonmq.message import FRAMING_MAX, Message, framing_of
from batonmq.properties import Properties
from batonmq.queued import DURABLE, QueuedMessage, Settlement
from batonmq.store import SqliteStore
from batonmq.store.records import POSITION_BITS
from batonmq.store.starting import unsound_rows

FIRST = 1 << POSITION_BITS
LAST = FIRST + 10_000
LIKE = Properties.make(delivery_mode=2)
# Around the numbers of rows that a statement has.
COUNTS = (1, 7, 8, 9, 31, 32, 33, 39, 40, 41, 73, 105)


def opened(path: Path) -> SqliteStore:
    store = SqliteStore(str(path))
    store.open()
    return store


def message(number: int, routing_key: str) -> Message:
    properties = Properties.make(delivery_mode=2, message_id=str(number)) if number % 5 == 0 else LIKE
    body = b"%d" % number
    if number % 3 == 0:
        return Message("", routing_key, properties, b"<" + body, 1, len(body), framing_of(FRAMING_MAX), 1 + len(body))
    return Message("", routing_key, properties, body)


def run(queue: Settlement, count: int, keys: tuple[str, ...]) -> list[QueuedMessage]:
    """Each to the next of these addresses."""
    return [
        QueuedMessage(message(number, keys[number % len(keys)]), queue, FIRST + number, DURABLE)
        for number in range(1, count + 1)
    ]


def shape(found: Message) -> tuple[object, ...]:
    return found.routing_key, found.properties.raw, found.payload, found.body, found.framing


@pytest.mark.parametrize("keys", [("q",), ("q", "\udcff", "key")])
def test_each_row_is_read_as_it_was_written(path: Path, queue: Settlement, keys: tuple[str, ...]) -> None:
    store = opened(path)
    for count in COUNTS:
        written = run(queue, count, keys)
        store.insert_all(written)
        commit(store)
        found = store.read(FIRST, LAST, 1_000, 1 << 20)
        assert [entry.row for entry in found] == [queued.row for queued in written]
        assert [shape(entry.message) for entry in found] == [shape(queued.message) for queued in written]
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        assert list(unsound_rows(db)) == []
        db.close()
        store.delete_all(written)
        commit(store)
        assert store.read(FIRST, LAST, 1_000, 1 << 20) == []
    store.close(None)


def test_what_is_settled_before_it_was_written_is_not_written(path: Path, queue: Settlement) -> None:
    store = opened(path)
    first, *others = run(queue, 40, ("q",))
    store.insert(first)
    commit(store)
    store.insert_all(others)
    store.delete_all([first, *others[1:]])
    commit(store)
    assert [entry.row for entry in store.read(FIRST, LAST, 100, 1 << 20)] == [others[0].row]
    store.close(None)


def test_a_row_in_the_way_of_many_is_replaced(path: Path, queue: Settlement, caplog: pytest.LogCaptureFixture) -> None:
    store = opened(path)
    written = run(queue, 40, ("q",))
    store.insert(QueuedMessage(message(7, "before"), queue, written[20].row, DURABLE))
    commit(store)
    store.insert_all(written)
    with caplog.at_level(logging.ERROR):
        commit(store)
    assert "the rows that are in the way are replaced" in caplog.text
    found = store.read(FIRST, LAST, 100, 1 << 20)
    assert [shape(entry.message) for entry in found] == [shape(queued.message) for queued in written]
    store.close(None)


# One run; a few; and so many that it is not left to the commit.
GONE = (range(1, 601), [*range(1, 300), *range(400, 700), *range(800, 1001)], range(1, 1001, 2), range(5, 9))


def rows_of(path: Path) -> list[int]:
    """What is committed."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = [row - FIRST for (row,) in db.execute("SELECT id FROM message ORDER BY id")]
    db.close()
    return found


@pytest.mark.parametrize("gone", GONE, ids=["one run", "some runs", "singles", "few"])
@pytest.mark.parametrize("reads", [False, True], ids=["no read", "a read before the commit"])
def test_what_is_settled_is_deleted_in_runs(path: Path, queue: Settlement, gone: Sequence[int], *, reads: bool) -> None:
    store = opened(path)
    written = run(queue, 1_000, ("q",))
    store.insert_all(written)
    commit(store)
    left = [place for place in range(1, 1_002) if place not in set(gone)]
    late = run(queue, 1_001, ("q",))[1_000]
    store.delete_all([queued for queued in written if queued.row - FIRST in set(gone)])
    if reads:
        assert [entry.row - FIRST for entry in store.read(FIRST, LAST, 2_000, 1 << 20)] == left[:-1]
    store.insert(late)
    store.stage()
    store.commit()
    store.finish(None)
    assert rows_of(path) == left
    assert [entry.row - FIRST for entry in store.read(FIRST, LAST, 2_000, 1 << 20)] == left
    store.close(None)


def test_long_runs_are_deleted_by_the_commit(path: Path, queue: Settlement) -> None:
    """Where the loop waits for nothing."""
    store = opened(path)
    written = run(queue, 1_000, ("q",))
    store.insert_all(written)
    commit(store)
    for settled, by_commit in ((written[:300], True), (written[300:900:3], False), (written[900:902], False)):
        store.delete_all(settled)
        before = store._db.total_changes()
        store.stage()
        assert (store._db.total_changes() == before) is by_commit
        store.commit()
        assert store._db.total_changes() == before + len(settled)
        store.finish(None)
    store.close(None)


def test_shared_bodies_go_with_the_last_of_a_run(path: Path, queue: Settlement) -> None:
    store = opened(path)
    body = Message("", "q", LIKE, b"x" * 5_000)
    store.share(body)
    other = Message("", "q", LIKE, b"y" * 5_000)
    store.share(other)
    written = [QueuedMessage(body, queue, FIRST + place, DURABLE) for place in range(1, 301)]
    kept = [QueuedMessage(other, queue, FIRST + place, DURABLE) for place in (301, 302)]
    store.insert_all([*written, *kept])
    commit(store)
    store.delete_all([*written, kept[0]])
    commit(store)
    assert rows_of(path) == [302]
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    assert [value for (value,) in db.execute("SELECT body FROM body")] == [b"y" * 5_000]
    db.close()
    store.close(None)


def test_runs_of_a_commit_that_failed_are_deleted_by_the_next(path: Path, queue: Settlement) -> None:
    store = opened(path)
    written = run(queue, 1_000, ("q",))
    store.insert_all(written)
    commit(store)

    def fail() -> None:
        points.disarm()
        raise apsw.IOError("the disk has failed")

    store.delete_all(written[:600])
    store.stage()
    points.arm("commit.ready", fail)
    with pytest.raises(StoreError) as failed:
        store.commit()
    store.finish(failed.value)
    assert len(rows_of(path)) == 1_000
    store.delete_all(written[600:900])
    commit(store)
    assert rows_of(path) == list(range(901, 1_001))
    store.close(None)
