"""Messages read back in runs: whatever is unusual about one is found, and its neighbours stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from tests.store.conftest import commit

from batonmq.message import Message
from batonmq.properties import EMPTY, Properties
from batonmq.queued import DURABLE, SPILLED, QueuedMessage, Settlement
from batonmq.store import SqliteStore
from batonmq.store.records import POSITION_BITS, StoredMessage, StoredRun

FIRST = 1 << POSITION_BITS
LAST = FIRST + 10_000
PERSISTENT = Properties.make(delivery_mode=2)
LARGE = bytes(5000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "store"))
    store.open()
    store.add_lane(1, "/", "q", 0)
    yield store
    store.close(None)


def insert(store: SqliteStore, queue: Settlement, row: int, message: Message, **attributes: int) -> None:
    queued = QueuedMessage(message, queue, FIRST + row)
    queued.stored = DURABLE
    for name, value in attributes.items():
        setattr(queued, name, value)
    store.insert(queued)


def read(store: SqliteStore, *, committed: bool = True, most: int = 10_000, most_bytes: int = 1 << 30) -> StoredRun:
    return store.read_run(FIRST, LAST, most, most_bytes, committed=committed)


@pytest.mark.parametrize("committed", [True, False])
def test_each_row_comes_back_with_all_that_is_unusual_about_it(
    store: SqliteStore, queue: Settlement, committed: bool
) -> None:
    expected = []
    # The numbers share bits with one another and with what most messages have.
    for row, values in enumerate(product((DURABLE, SPILLED), (0, 1, 2, 3), (0, 1, 1_700_000_000_000)), 1):
        stored, deliveries, expires_at = values
        message = Message("", "q", PERSISTENT, b"%d" % row)
        insert(store, queue, row, message, stored=stored, returns=deliveries, expires_at=expires_at)
        expected.append((FIRST + row, message.body, stored, deliveries, expires_at))
    if committed:
        commit(store)
    found = read(store, committed=committed)
    assert [
        (one.row, one.message.body, one.stored, one.return_count, one.expires_at) for one in found.whole()
    ] == expected
    plain = [
        row for row, _, stored, deliveries, expires_at in expected if (stored, deliveries, expires_at) == (1, 0, 0)
    ]
    assert sorted({row for row, *_ in expected} - found.unusual.keys()) == plain == [FIRST + 1]


def test_a_body_that_queues_share_stands_among_others(store: SqliteStore, queue: Settlement) -> None:
    shared = Message("", "q", PERSISTENT, LARGE)
    store.share(shared)
    for row, message in enumerate([Message("", "q", PERSISTENT, b"a"), shared, Message("", "q", PERSISTENT, b"b")], 1):
        insert(store, queue, row, message)
    commit(store)
    found = read(store)
    assert [message.body for message in found.messages] == [b"a", LARGE, b"b"]
    assert [message.shared_id for message in found.messages] == [0, shared.shared_id, 0]
    assert list(found.unusual) == [FIRST + 2]


def test_addresses_and_properties_change_from_row_to_row(store: SqliteStore, queue: Settlement) -> None:
    other = Properties.make(delivery_mode=2, message_id="1", headers={"k": "v"})
    sent = [
        ("", "q", PERSISTENT),
        ("", "q", PERSISTENT),
        ("x", "q", PERSISTENT),
        ("x", "r", other),
        ("x", "\udcff", other),
        ("", "", EMPTY),
        ("é", "q", PERSISTENT),
    ]
    for row, (exchange, key, properties) in enumerate(sent, 1):
        insert(store, queue, row, Message("".join(exchange), "".join(key), properties, b""))
    commit(store)
    messages = read(store).messages
    assert [(message.exchange, message.routing_key, message.properties) for message in messages] == sent
    # What is alike is one object: encoders look at the address anew where it is another.
    assert messages[0].routing_key is messages[1].routing_key is messages[2].routing_key
    assert messages[0].properties is messages[2].properties


def test_a_run_ends_by_number_and_by_bytes(store: SqliteStore, queue: Settlement) -> None:
    for row in range(1, 11):
        insert(store, queue, row, Message("", "q", PERSISTENT, bytes(100)))
    commit(store)
    assert read(store, most=3).rows == [FIRST + 1, FIRST + 2, FIRST + 3]
    # The one that reaches the limit is the last, and one always comes.
    assert len(read(store, most_bytes=250).rows) == 3
    assert len(read(store, most_bytes=1).rows) == 1
    assert len(read(store).rows) == len(read(store).messages) == 10


def test_the_whole_of_a_plain_message() -> None:
    message = Message("", "q", PERSISTENT, b"")
    assert StoredRun([7], [message]).whole() == [StoredMessage(7, message, 0, 0, DURABLE, 0, 0)]
