"""Reading ahead: a run that was put together in one step is what row by row is read, or none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from tests.store.conftest import commit

from batonmq.message import Message
from batonmq.properties import EMPTY, Properties
from batonmq.queued import DURABLE, SPILLED, QueuedMessage, Settlement
from batonmq.store import SqliteStore
from batonmq.store.packed import BODY_MAX
from batonmq.store.records import POSITION_BITS, StoredRun

FIRST = 1 << POSITION_BITS
END = FIRST + 1_000
LAST = (2 << POSITION_BITS) - 1
PERSISTENT = Properties.make(delivery_mode=2)


def message(body: bytes = b"body", *, key: str = "q", properties: Properties = PERSISTENT) -> Message:
    return Message("", key, properties, body)


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(str(path))
    store.open()
    store.add_lane(1, "/", "q", 0)
    yield store
    store.close(None)


def insert(store: SqliteStore, queue: Settlement, row: int, sent: Message, **attributes: int) -> None:
    queued = QueuedMessage(sent, queue, FIRST + row)
    queued.stored = DURABLE
    for name, value in attributes.items():
        setattr(queued, name, value)
    store.insert(queued)


def ahead(store: SqliteStore, like: Message, *, after: int = 0, changed_in: int = 0) -> StoredRun | None:
    store.read_ahead(FIRST + after, END, like)
    return store.found_ahead(FIRST + after, LAST, changed_in)


def told(run: StoredRun) -> list[tuple[int, str, str, bytes, bytes]]:
    assert not run.unusual
    assert not run.unreadable
    return [
        (row, sent.exchange, sent.routing_key, sent.properties.raw, sent.body)
        for row, sent in zip(run.rows, run.messages, strict=True)
    ]


MANY = [message(b"%04d" % number) for number in range(300)]
VARIED = [
    message(b"%d" % number * (number % 7), properties=Properties.make(delivery_mode=2, message_id=f"é{number}"))
    for number in range(300)
]


@pytest.mark.parametrize(
    "sent",
    [
        MANY,
        VARIED,
        [*MANY, *VARIED],
        [message(b""), message(b""), message(b"\0"), message(bytes(BODY_MAX))],
        [message(properties=EMPTY), message(properties=Properties.make(headers={"k": "v" * 300}))],
        [message(key="\udcff"), message(key="\udcff")],
        [message(key="é€")],
    ],
    ids=["alike", "varied", "mixed", "lengths", "properties", "no text", "not ASCII"],
)
def test_a_run_is_what_is_read_row_by_row(store: SqliteStore, queue: Settlement, sent: list[Message]) -> None:
    for row, one in enumerate(sent, 1):
        insert(store, queue, row, one)
    commit(store)
    found = ahead(store, sent[0])
    assert found is not None
    assert told(found) == told(store.read_run(FIRST, LAST, 1_000, 1 << 30, committed=True))
    assert len(found.rows) == len(sent)
    # Encoders go by identity, from one run to the next as well.
    assert found.messages[0].routing_key is sent[0].routing_key
    assert {id(one.properties) for one in found.messages if one.properties == PERSISTENT} <= {id(PERSISTENT)}


@pytest.mark.parametrize(
    "other",
    [
        {"returns": 1},
        {"expires_at": 1_700_000_000_000},
        # The sum of such a row is that of one that never expires.
        {"expires_at": (1 << 31) - 1},
        {"stored": SPILLED},
    ],
    ids=str,
)
def test_a_run_ends_before_what_is_unusual(store: SqliteStore, queue: Settlement, other: dict[str, int]) -> None:
    for row in range(1, 6):
        insert(store, queue, row, message(), **(other if row == 4 else {}))
    commit(store)
    found = ahead(store, message())
    assert found is None
    for row in (4, 5):
        store.delete(QueuedMessage(message(), queue, FIRST + row))
    commit(store)
    found = ahead(store, message())
    assert found is not None
    assert found.rows == [FIRST + 1, FIRST + 2, FIRST + 3]


@pytest.mark.parametrize(
    "sent",
    [
        [message(key="other"), message()],
        [message(bytes(BODY_MAX + 1)), message()],
    ],
    ids=["address", "size"],
)
def test_what_is_unlike_comes_row_by_row(store: SqliteStore, queue: Settlement, sent: list[Message]) -> None:
    for row, one in enumerate(sent, 1):
        insert(store, queue, row, one)
    commit(store)
    assert ahead(store, message()) is None


def test_numbers_that_are_left_out_are_no_run(store: SqliteStore, queue: Settlement) -> None:
    for row in (1, 2, 4, 5):
        insert(store, queue, row, message())
    commit(store)
    assert ahead(store, message()) is None
    assert ahead(store, message(), after=2) is None
    found = ahead(store, message(), after=3)
    assert found is not None
    assert found.rows == [FIRST + 4, FIRST + 5]


OTHER = "FROM message AS other WHERE other.id = 7 - (message.id & 1023) + (message.id & ~1023)"
EXCHANGED = (
    f"UPDATE message SET body = (SELECT body {OTHER}), checksum = (SELECT checksum {OTHER}) WHERE id & 1023 IN (3, 4)"
)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE message SET body = x'00' || substr(body, 2) WHERE id & 1023 = 3",
        "UPDATE message SET checksum = checksum + 1 WHERE id & 1023 = 3",
        "UPDATE message SET checksum = NULL WHERE id & 1023 = 3",
        "UPDATE message SET checksum = 'text' WHERE id & 1023 = 3",
        "UPDATE message SET checksum = 1.5 WHERE id & 1023 = 3",
        "UPDATE message SET body = 'text' WHERE id & 1023 = 3",
        "UPDATE message SET body = NULL WHERE id & 1023 = 3",
        "UPDATE message SET properties = 'text' WHERE id & 1023 = 3",
        "UPDATE message SET properties = x'ffff' WHERE id & 1023 = 3",
        # Of two rows: their sum is the same.
        EXCHANGED,
    ],
)
def test_what_is_damaged_is_no_run(store: SqliteStore, queue: Settlement, path: Path, change: str) -> None:
    for row, one in enumerate([*MANY[:5], *VARIED[:5]], 1):
        insert(store, queue, row, one)
    commit(store)
    assert ahead(store, MANY[0]) is not None
    db = apsw.Connection(str(path))
    db.execute(change)
    assert db.changes() in (1, 2)
    db.close()
    assert ahead(store, MANY[0]) is None


def test_only_what_is_committed_is_read_ahead(store: SqliteStore, queue: Settlement) -> None:
    insert(store, queue, 1, message())
    commit(store)
    insert(store, queue, 2, message())
    found = ahead(store, message())
    assert found is not None
    assert found.rows == [FIRST + 1]


def test_what_was_changed_since_is_read_anew(store: SqliteStore, queue: Settlement) -> None:
    insert(store, queue, 1, message())
    insert(store, queue, 2, message())
    commit(store)
    store.read_ahead(FIRST, END, message())
    changed_in = store.batch
    store.delete(QueuedMessage(message(), queue, FIRST + 1))
    commit(store)
    assert store.found_ahead(FIRST, LAST, changed_in) is None
    # Behind another row nothing was read, and once is enough.
    store.read_ahead(FIRST, END, message())
    assert store.found_ahead(FIRST + 1, LAST, 0) is None
    assert store.found_ahead(FIRST, LAST, 0) is None
    found = ahead(store, message(), after=1, changed_in=changed_in)
    assert found is not None
    assert found.rows == [FIRST + 2]


def test_a_lane_whose_number_comes_again_has_nothing_of_the_one_before(store: SqliteStore, queue: Settlement) -> None:
    insert(store, queue, 1, message())
    commit(store)
    store.read_ahead(FIRST, END, message())
    store.drop_lane(1)
    assert store.found_ahead(FIRST, LAST, 0) is None


def test_what_a_crash_has_brought_back_is_counted_row_by_row(path: Path, queue: Settlement) -> None:
    store = SqliteStore(str(path))
    store.open()
    store.add_lane(1, "/", "q", 0)
    for row in range(1, 5):
        insert(store, queue, row, message())
    store.mark_handed(1, 2)
    commit(store)
    store.close(None)
    store = SqliteStore(str(path))
    store.open()
    assert ahead(store, message()) is None
    found = ahead(store, message(), after=2)
    assert found is not None
    assert found.rows == [FIRST + 3, FIRST + 4]
    store.close(None)


def test_lanes_that_nobody_reads_give_way(store: SqliteStore, queue: Settlement) -> None:
    insert(store, queue, 1, message())
    commit(store)
    for lane in range(2, 10):
        store.read_ahead(lane << POSITION_BITS, (lane << POSITION_BITS) + 10, message())
    assert ahead(store, message()) is None
    assert any(ahead(store, message()) is not None for _ in range(100))


def test_the_thread_ends_with_the_store(path: Path) -> None:
    def is_reading() -> bool:
        return any(thread.name == "batonmq-reading" for thread in threading.enumerate())

    store = SqliteStore(str(path))
    store.open()
    assert not is_reading()
    store.read_ahead(FIRST, END, message())
    assert is_reading()
    store.close(None)
    assert not is_reading()
