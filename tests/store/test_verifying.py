"""Rows that are looked at and not made into messages: told as those are told that a start reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

import batonmq
from batonmq.store.checking import RUN_BYTES, check_file
from batonmq.store.reading import IN_ORDER, select_run
from batonmq.store.records import POSITION_MASK
from batonmq.store.verifying import AllWhole, LookedThrough, look_through

LAST = (1 << 60) | POSITION_MASK


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Messages of every kind: plain ones, alike and not, with a body that is shared, delayed, expiring, seen before."""
    path = str(tmp_path / "store.db")
    with batonmq.connect(path) as mq:
        for queue in ("a", "b"):
            mq.declare(queue)
        mq.send_many("a", [b"alike"] * 20)
        for number in range(5):
            mq.send("a", batonmq.Message(b"x", id=str(number), headers={"number": number}))
            mq.send("b", b"later", delay=1000)
            mq.send("b", b"soon over", ttl=1000)
        mq.send("a", b"large" * 5000)
        with mq.receiver("a") as receiver:
            for delivery in receiver.receive(5, wait=10):
                delivery.release()
    return path


@pytest.fixture
def db(path: str) -> Iterator[apsw.Connection]:
    db = apsw.Connection(path)
    yield db
    db.close()


def look(db: apsw.Connection) -> tuple[int, dict[int, str]]:
    """What is told of all rows, which is what a start finds."""
    seen = look_through(db, -1, LAST, 1000, RUN_BYTES)
    run = select_run(db, IN_ORDER, (-1, LAST, 1000), RUN_BYTES, 0)
    assert (seen.whole, seen.unreadable) == (len(run.rows), run.unreadable)
    return seen.whole, seen.unreadable


def test_what_was_written_is_whole(db: apsw.Connection) -> None:
    assert look(db) == (36, {})


CHANGES = pytest.mark.parametrize(
    "change",
    [
        "body = x'00'",
        "body = 'text'",
        "body = NULL",
        "properties = properties || x'00'",
        "properties = 5",
        "exchange = 'other'",
        "exchange = 5",
        "routing_key = x'ff'",
        "deliveries = deliveries + 1",
        "expires = expires + 1",
        "framing = 7",
        "shared = 1000",
        "checksum = checksum + 1",
        "checksum = 'text'",
        "routing_key = CAST(x'f1' AS TEXT)",
    ],
)


@CHANGES
def test_one_row_that_is_not_is_told(db: apsw.Connection, change: str) -> None:
    (row,) = next(iter(db.execute("SELECT id FROM message ORDER BY id LIMIT 1 OFFSET 9")))
    db.execute(f"UPDATE message SET {change} WHERE id = ?", (row,))
    whole, unreadable = look(db)
    assert (whole, list(unreadable)) == (35, [row])


def test_rows_of_one_address_are_looked_at_at_once(db: apsw.Connection) -> None:
    ids = [row for (row,) in db.execute("SELECT id FROM message ORDER BY id LIMIT 20")]
    fast = AllWhole(db)
    assert fast.look(ids[0] - 1, ids[-1], 15) == LookedThrough(15, ids[14])
    assert fast.look(ids[14], ids[-1], 15) == LookedThrough(5, ids[-1])
    assert fast.look(ids[-1], ids[-1], 15) == LookedThrough()
    # Of which each has its own properties, and another count of deliveries.
    assert fast.look(ids[-1], ids[-1] + 5, 15) == LookedThrough(5, ids[-1] + 5)


@CHANGES
def test_not_if_one_of_them_is_damaged(db: apsw.Connection, change: str) -> None:
    ids = [row for (row,) in db.execute("SELECT id FROM message ORDER BY id LIMIT 20")]
    db.execute(f"UPDATE message SET {change} WHERE id = ?", (ids[9],))
    fast = AllWhole(db)
    assert fast.look(ids[0] - 1, ids[-1], 100) is None
    # Others are, as long as that was for damage, and in another lane in any case.
    fast.seen(look_through(db, ids[0] - 1, ids[-1], 100, RUN_BYTES))
    assert fast.look(ids[9], ids[-1], 100) == LookedThrough(10, ids[-1])
    fast.seen(LookedThrough(1, ids[0]))
    assert fast.look(ids[9], ids[-1], 100) is None
    fast.begin()
    assert fast.look(ids[9], ids[-1], 100) == LookedThrough(10, ids[-1])


def test_rows_without_a_checksum_are_read(db: apsw.Connection, path: str) -> None:
    db.execute("UPDATE message SET checksum = NULL")
    assert look(db) == (36, {})
    db.execute("UPDATE message SET body = 5 WHERE id IN (SELECT id FROM message LIMIT 3)")
    assert look(db)[0] == 33
    db.close()
    assert sum(queue.damaged for queue in check_file(path).queues) == 3
