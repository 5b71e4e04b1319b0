"""The store's rows of messages that wait: written, moved and read back in order, and made good when a commit fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import apsw
import pytest
from tests.store.conftest import commit

from batonmq.errors import StoreError
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.queued import DELAYED, DURABLE, READY, QueuedMessage, Settlement
from batonmq.store import SqliteStore
from batonmq.store.records import DELAY_LANE, LANES_MAX, POSITION_BITS

LANE, WAITING = 1, 2
FIRST, WAITS_FROM = LANE << POSITION_BITS, WAITING << POSITION_BITS
PERSISTENT = Properties.make(delivery_mode=2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "store"))
    store.open()
    store.add_lane(LANE, "/", "q", 0)
    store.add_lane(WAITING, "/", "q", DELAY_LANE)
    yield store
    store.close(None)


def queued(queue: Settlement, row: int, body: bytes = b"body") -> QueuedMessage:
    message = QueuedMessage(Message("", "q", PERSISTENT, body), queue, row)
    message.stored = DURABLE
    message.state = DELAYED
    return message


def fail(store: SqliteStore) -> list[QueuedMessage]:
    store.stage()
    return fail_staged(store)


def fail_staged(store: SqliteStore) -> list[QueuedMessage]:
    store._transaction._failure = apsw.FullError("full")
    with pytest.raises(StoreError) as caught:
        store.commit()
    return store.finish(caught.value)


def rows(store: SqliteStore) -> list[tuple[int, int, int]]:
    found = store._db.execute("SELECT id, due, place FROM message ORDER BY id").fetchall()
    return cast(list[tuple[int, int, int]], found)


def test_they_are_read_by_their_time_and_then_by_their_row(store: SqliteStore, queue: Settlement) -> None:
    for row, due in ((1, 30), (2, 10), (3, 20), (4, 10)):
        store.insert_delayed(queued(queue, WAITS_FROM + row, b"%d" % row), due, 0)
    found = store.read_delayed(WAITING, (0, 0), 3, 1 << 20).whole()
    assert [(stored.message.body, stored.due) for stored in found] == [(b"2", 10), (b"4", 10), (b"3", 20)]
    after = (found[0].due, found[0].row)
    assert [stored.message.body for stored in store.read_delayed(WAITING, after, 9, 1 << 20).whole()] == [
        *(b"4", b"3", b"1")
    ]
    assert store.read_delayed(LANE, (0, 0), 9, 1 << 20).rows == []


def test_they_are_none_of_the_queues_other_rows(store: SqliteStore, queue: Settlement) -> None:
    store.insert_delayed(queued(queue, WAITS_FROM + 1), 10, 0)
    assert store.read(FIRST, FIRST + 100, 9, 1 << 20) == []


@pytest.mark.parametrize("written", [True, False])
def test_one_that_is_due_has_another_row(store: SqliteStore, queue: Settlement, written: bool) -> None:
    message = queued(queue, WAITS_FROM + 1)
    store.insert_delayed(message, 10, 0)
    if written:
        commit(store)
    message.row, message.state = FIRST + 7, READY
    store.move(message, WAITS_FROM + 1)
    # Written for the first time in this batch, or not?
    assert store.is_pending(message) != written
    commit(store)
    assert rows(store) == [(FIRST + 7, 0, 0)]


@pytest.mark.parametrize("written", [True, False])
def test_one_that_comes_back_keeps_its_place(store: SqliteStore, queue: Settlement, written: bool) -> None:
    message = queued(queue, FIRST + 3)
    store.insert(message)
    if written:
        commit(store)
    message.row, message.returns, message.expires_at = WAITS_FROM + 1, 2, 99
    store.move(message, FIRST + 3, 50, FIRST + 3)
    (stored,) = store.read_delayed(WAITING, (0, 0), 9, 1 << 20).whole()
    assert (stored.due, stored.return_row, stored.return_count, stored.expires_at) == (50, FIRST + 3, 2, 99)


def test_what_moved_and_is_settled_in_one_batch_is_gone(store: SqliteStore, queue: Settlement) -> None:
    message = queued(queue, WAITS_FROM + 1)
    store.insert_delayed(message, 10, 0)
    commit(store)
    message.row = FIRST + 1
    store.move(message, WAITS_FROM + 1)
    store.delete(message)
    commit(store)
    assert rows(store) == []


def test_a_new_one_that_is_not_kept_is_told_of(store: SqliteStore, queue: Settlement) -> None:
    message = queued(queue, WAITS_FROM + 1)
    store.insert_delayed(message, 10, 0)
    assert fail(store) == [message]
    commit(store)
    assert rows(store) == []


def test_moves_of_a_failed_commit_are_made_in_their_order(store: SqliteStore, queue: Settlement) -> None:
    """Due, given back while that was written, and due again: the row must not be looked for where it never was."""
    message = queued(queue, WAITS_FROM + 1)
    store.insert_delayed(message, 10, 0)
    commit(store)
    message.row = FIRST + 1
    store.move(message, WAITS_FROM + 1)
    store.stage()
    message.row = WAITS_FROM + 2
    store.move(message, FIRST + 1, 20, FIRST + 1)
    message.row = FIRST + 1
    store.move(message, WAITS_FROM + 2)
    assert fail_staged(store) == []
    assert rows(store) == [(WAITS_FROM + 1, 10, 0)]
    commit(store)
    assert rows(store) == [(FIRST + 1, 0, 0)]


def test_an_update_from_before_a_move_is_not_made_after_it(store: SqliteStore, queue: Settlement) -> None:
    message = queued(queue, FIRST + 1)
    store.insert(message)
    commit(store)
    message.returns = 1
    store.update(message)
    store.stage()
    message.row, message.returns = WAITS_FROM + 1, 2
    store.move(message, FIRST + 1, 20, FIRST + 1)
    message.row = FIRST + 1
    store.move(message, WAITS_FROM + 1)
    fail_staged(store)
    commit(store)
    assert store._db.execute("SELECT deliveries FROM message").get == 2


def test_a_dropped_lane_takes_what_waits_along(store: SqliteStore, queue: Settlement) -> None:
    store.insert_delayed(queued(queue, WAITS_FROM + 1), 10, 0)
    commit(store)
    store.insert_delayed(queued(queue, WAITS_FROM + 2), 10, 0)
    store.drop_lane(WAITING)
    while store.has_work():
        commit(store)
    assert rows(store) == []


def test_keys_are_kept_with_their_batch(store: SqliteStore, tmp_path: Path) -> None:
    store.insert_dedup_key(FIRST + 1, b"a", 5)
    store.insert_dedup_key(FIRST + 2, b"b", 6)
    commit(store)
    store.insert_dedup_key(FIRST + 3, b"c", 7)
    fail(store)
    commit(store)
    store.delete_dedup_keys(FIRST + 1, FIRST + 1)
    commit(store)
    assert store.read_dedup_keys(LANE) == [(FIRST + 2, b"b", 6)]
    assert store.read_dedup_keys(WAITING) == []


@pytest.mark.timeout(20)
def test_keys_are_found_in_whatever_lanes_they_are(store: SqliteStore) -> None:
    lanes = (1, 2, 7, LANES_MAX)
    for lane in lanes:
        store.insert_dedup_key((lane << POSITION_BITS) + 1, b"a", lane)
        store.insert_dedup_key((lane << POSITION_BITS) + 2, b"b", lane)
    commit(store)
    found = {lane: [at for _, _, at in store.read_dedup_keys(lane)] for lane in (1, 2, 3, 7, LANES_MAX - 1, LANES_MAX)}
    assert found == {1: [1, 1], 2: [2, 2], 3: [], 7: [7, 7], LANES_MAX - 1: [], LANES_MAX: [LANES_MAX] * 2}


def test_a_place_to_return_to_is_given_to_nobody_else(tmp_path: Path, queue: Settlement) -> None:
    path = str(tmp_path / "again")
    first = SqliteStore(path)
    first.open()
    first.add_lane(LANE, "/", "q", 0)
    first.add_lane(WAITING, "/", "q", DELAY_LANE)
    first.insert_delayed(queued(queue, WAITS_FROM + 1), 10, FIRST + 40)
    first.mark_handed(WAITING, 0)
    commit(first)
    first.close(None)
    second = SqliteStore(path)
    lanes = {record.lane_id: record for record in second.open().lanes}
    assert lanes[LANE].last_row == FIRST + 40
    assert lanes[LANE].waiting == 0
    assert (lanes[WAITING].waiting, lanes[WAITING].priority) == (1, DELAY_LANE)
    second.close(None)


def test_a_position_that_was_handed_out_is_given_to_nobody_else(tmp_path: Path) -> None:
    """The next message there would count as one that was in a consumer's hands."""
    path = str(tmp_path / "again")
    first = SqliteStore(path)
    first.open()
    first.add_lane(LANE, "/", "q", 0)
    first.mark_handed(LANE, 12)
    commit(first)
    first.close(None)
    second = SqliteStore(path)
    (record,) = second.open().lanes
    assert record.last_row == FIRST + 12
    second.close(None)
