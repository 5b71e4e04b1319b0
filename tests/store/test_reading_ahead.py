"""Reading ahead: a run that was put together in one step is what row by row is read, or none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import apsw
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.store.conftest import commit

from batonmq.message import FRAMING_MAX, Message, framing_of
from batonmq.properties import EMPTY, Properties
from batonmq.queued import DURABLE, SPILLED, QueuedMessage, Settlement
from batonmq.store import SqliteStore
from batonmq.store.checksums import address_sum
from batonmq.store.packed import BODY_MAX, REACH
from batonmq.store.reading_ahead import LANES_AT_ONCE, OCTETS_AT_ONCE
from batonmq.store.records import POSITION_BITS, StoredRun

FIRST = 1 << POSITION_BITS
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


def found(*likes: Message) -> StoredRun:
    """What was read before: by what these have in common it is guessed what comes."""
    return StoredRun([FIRST - len(likes) + place for place in range(1, len(likes) + 1)], list(likes))


def request(store: SqliteStore, *likes: Message, after: int = 0, most: int = 1_000) -> None:
    store.read_ahead(FIRST + after, LAST, most, found(*likes))


def ahead(
    store: SqliteStore, *likes: Message, after: int = 0, changed_in: int = 0, most: int = 1_000
) -> StoredRun | None:
    request(store, *likes, after=after, most=most)
    return store.found_ahead(FIRST + after, LAST, changed_in)


def rows_of(run: StoredRun | None) -> list[int]:
    assert run is not None
    return [row - FIRST for row in run.rows]


def told(run: StoredRun) -> list[tuple[object, ...]]:
    assert not run.unreadable
    return [
        (
            stored.row,
            stored.expires_at,
            (stored.returns, stored.stored, stored.due, stored.return_row),
            type(stored.message),
            stored.message.exchange,
            stored.message.routing_key,
            stored.message.properties.raw,
            stored.message.payload,
            (stored.message.start, stored.message.size, stored.message.weight),
            stored.message.framing,
        )
        for stored in run.whole()
    ]


def by_row(store: SqliteStore, after: int = 0, most: int = 1_000) -> list[tuple[object, ...]]:
    return told(store.read_run(FIRST + after, LAST, most, 1 << 30, committed=True))


MANY = [message(b"%04d" % number) for number in range(300)]
VARIED = [
    message(b"%d" % number * (number % 7), properties=Properties.make(delivery_mode=2, message_id=f"é{number}"))
    for number in range(300)
]


@pytest.mark.parametrize("is_guessed", [True, False], ids=["as guessed", "otherwise"])
@pytest.mark.parametrize(
    "sent",
    [
        MANY,
        VARIED,
        [*MANY, *VARIED],
        [message(b""), message(b""), message(b"\0"), message(bytes(BODY_MAX - len(PERSISTENT.raw)))],
        [message(properties=EMPTY), message(properties=Properties.make(headers={"k": "v" * 300}))],
        [message(key="\udcff"), message(key="\udcff")],
        [message(key="é€")],
        [message(key=key) for key in ("q", "é€", "\udcff", "", "k" * 255, "q")],
        [Message(exchange, key, EMPTY, b"1") for exchange, key in (("", "ab"), ("a", "b"), ("ab", ""), ("", ""))],
    ],
    ids=["alike", "varied", "mixed", "lengths", "properties", "no text", "not ASCII", "keys", "addresses"],
)
def test_a_run_is_what_is_read_row_by_row(
    store: SqliteStore, queue: Settlement, sent: list[Message], is_guessed: bool
) -> None:
    for row, one in enumerate(sent, 1):
        insert(store, queue, row, one)
    commit(store)
    run = ahead(store, sent[0]) if is_guessed else ahead(store, sent[0], message(key="else"), sent[0])
    assert run is not None
    assert told(run) == by_row(store)
    assert len(run.rows) == len(sent)
    # Encoders go by identity, from one run to the next as well.
    assert run.messages[0].routing_key is sent[0].routing_key
    assert {id(one.properties) for one in run.messages if one.properties == PERSISTENT} <= {id(PERSISTENT)}


def forged(before: bytes, after: bytes, wanted: int, start: int) -> bytes:
    """Four octets between these with which all that has the wanted CRC-32."""

    def sum_of(four: int) -> int:
        return crc32(before + four.to_bytes(4, "little") + after, start)

    # Beside a constant a sum is linear in each bit, so this is solved by elimination.
    constant = sum_of(0)
    basis: dict[int, tuple[int, int]] = {}
    for bit in range(32):
        change, made_of = sum_of(1 << bit) ^ constant, 1 << bit
        while change:
            top = change.bit_length()
            if top not in basis:
                basis[top] = change, made_of
                break
            change, made_of = change ^ basis[top][0], made_of ^ basis[top][1]
    rest, four = wanted ^ constant, 0
    while rest:
        change, made_of = basis[rest.bit_length()]
        rest, four = rest ^ change, four ^ made_of
    return four.to_bytes(4, "little")


def test_a_message_that_was_written_to_be_taken_for_another_is_itself(store: SqliteStore, queue: Settlement) -> None:
    """A checksum is against disks: a publisher can choose its own, and would speak under the name of another."""
    ann = Properties.make(delivery_mode=2, user_id="ann")
    before, after = Properties.make(delivery_mode=2, user_id="eve", headers={"k": b"four"}).raw.split(b"four")
    address = address_sum("", "q")
    eve = Properties.make(
        delivery_mode=2, user_id="eve", headers={"k": forged(before, after, crc32(ann.raw, address), address)}
    )
    assert crc32(eve.raw, address) == crc32(ann.raw, address)
    for row, properties in enumerate([ann, eve, ann], 1):
        insert(store, queue, row, message(properties=properties))
    commit(store)
    run = ahead(store, message(properties=ann), most=3)
    assert run is not None
    assert [each.properties.user_id for each in run.messages] == ["ann", "eve", "ann"]


A_KEY = st.sampled_from(["q", "", "a.b", "é€", "\udcff", "k" * 255])
A_MESSAGE = st.builds(
    Message,
    st.sampled_from(["", "x", "é"]),
    A_KEY,
    st.sampled_from([PERSISTENT, EMPTY]) | st.builds(Properties.make, message_id=st.text(max_size=9)),
    st.binary(max_size=20),
)
FRAMED = st.builds(
    lambda start, size, code: Message("", "q", PERSISTENT, bytes(20), start, size, framing_of(code), 20),
    st.integers(0, 10),
    st.integers(0, 10),
    st.integers(1, FRAMING_MAX),
)
A_ROW = st.tuples(
    st.integers(1, 4) | st.sampled_from([900, REACH]),
    A_MESSAGE | FRAMED,
    st.sampled_from([0, 0, 1, (1 << 31) - 1, 1_900_000_000_000]),
    st.sampled_from([0, 0, 0, 0, 0, 0, 0, 2]),
)


@given(st.lists(A_ROW, min_size=1, max_size=30), st.integers(1, 20), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_lane_holds_comes_as_row_by_row(
    store: SqliteStore,
    queue: Settlement,
    content: list[tuple[int, Message, int, int]],
    most: int,
    data: st.DataObject,
) -> None:
    """Any addresses, properties, expiries, framings and gaps; what has come back ends a run."""
    store.drop_rows(FIRST, LAST)
    row = 0
    for gap, sent, expires, returns in content:
        row += gap
        insert(store, queue, row, sent, expires_at=expires, returns=returns)
    commit(store)
    like = data.draw(st.sampled_from([sent for _, sent, _, _ in content]))
    after = 0
    whole = by_row(store)
    while whole:
        run = ahead(store, like, after=after, most=most)
        expected = by_row(store, after, most)
        if run is None:
            # The next one has come back, or is far away.
            assert expected[0][2][0] or int(str(expected[0][0])) - FIRST - after > REACH  # type: ignore[index]
            count = 1
        else:
            count = len(run.rows)
            assert 0 < count <= most
            assert told(run) == expected[:count]
        after = int(str(whole[count - 1][0])) - FIRST
        del whole[:count]


@pytest.mark.parametrize("other", [{"returns": 1}, {"stored": SPILLED}], ids=str)
def test_a_run_ends_before_what_is_unusual(store: SqliteStore, queue: Settlement, other: dict[str, int]) -> None:
    for row in range(1, 6):
        insert(store, queue, row, message(), **(other if row == 4 else {}))
    commit(store)
    assert rows_of(ahead(store, message())) == [1, 2, 3]
    assert ahead(store, message(), after=3) is None
    assert rows_of(ahead(store, message(), after=4)) == [5]


def test_expiry_is_read_ahead(store: SqliteStore, queue: Settlement) -> None:
    # The sum of the first such row is that of one that never expires.
    for row, expires in enumerate([0, (1 << 31) - 1, 1_700_000_000_000, 0], 1):
        insert(store, queue, row, message(), expires_at=expires)
    commit(store)
    run = ahead(store, message())
    assert run is not None
    assert {row - FIRST: stored.expires_at for row, stored in run.unusual.items()} == {
        2: (1 << 31) - 1,
        3: 1_700_000_000_000,
    }
    assert told(run) == by_row(store)


def test_what_is_large_comes_row_by_row(store: SqliteStore, queue: Settlement) -> None:
    for row, one in enumerate([message(bytes(BODY_MAX + 1)), message()], 1):
        insert(store, queue, row, one)
    commit(store)
    assert ahead(store, message()) is None
    assert rows_of(ahead(store, message(), after=1)) == [2]


def test_numbers_that_are_left_out_are_passed_over(store: SqliteStore, queue: Settlement) -> None:
    for row in (1, 2, 4, 5, 5 + REACH, 6 + 2 * REACH):
        insert(store, queue, row, message())
    commit(store)
    assert rows_of(ahead(store, message(), most=2)) == [1, 2]
    assert rows_of(ahead(store, message(), message(key="else"), most=3)) == [1, 2, 4]
    assert rows_of(ahead(store, message())) == [1, 2, 4, 5]
    assert rows_of(ahead(store, message(), after=5)) == [5 + REACH]
    # More than a run may stretch over.
    assert ahead(store, message(), after=5 + REACH) is None


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
        "UPDATE message SET routing_key = 'p' WHERE id & 1023 = 3",
        "UPDATE message SET exchange = 'q', routing_key = '' WHERE id & 1023 = 3",
        "UPDATE message SET expires = expires + 1 WHERE id & 1023 = 3",
        "UPDATE message SET expires = '7, 7' WHERE id & 1023 = 3",
        "UPDATE message SET framing = 2 WHERE id & 1023 = 3",
        "UPDATE message SET framing = 9 WHERE id & 1023 = 3",
        "UPDATE message SET framing = 2, start = 4000 WHERE id & 1023 = 3",
        # Of two rows: their sum is the same.
        EXCHANGED,
    ],
)
def test_what_is_damaged_is_no_run(store: SqliteStore, queue: Settlement, path: Path, change: str) -> None:
    for row, one in enumerate([*MANY[:5], *VARIED[:5]], 1):
        insert(store, queue, row, one)
    commit(store)
    assert len(rows_of(ahead(store, MANY[0]))) == 10
    db = apsw.Connection(str(path))
    db.execute(change)
    assert db.changes() in (1, 2)
    db.close()
    run = ahead(store, MANY[0])
    # Where SQLite sees that it is no message, those before it come.
    assert run is None or rows_of(run) == [1, 2]


def test_only_what_is_committed_is_read_ahead(store: SqliteStore, queue: Settlement) -> None:
    insert(store, queue, 1, message())
    commit(store)
    insert(store, queue, 2, message())
    assert rows_of(ahead(store, message())) == [1]


def test_what_was_changed_since_is_read_anew(store: SqliteStore, queue: Settlement) -> None:
    insert(store, queue, 1, message())
    insert(store, queue, 2, message())
    commit(store)
    request(store, message())
    changed_in = store.batch
    store.delete(QueuedMessage(message(), queue, FIRST + 1))
    commit(store)
    assert store.found_ahead(FIRST, LAST, changed_in) is None
    # Behind another row nothing was read, and once is enough.
    request(store, message())
    assert store.found_ahead(FIRST + 1, LAST, 0) is None
    assert store.found_ahead(FIRST, LAST, 0) is None
    assert rows_of(ahead(store, message(), after=1, changed_in=changed_in)) == [2]


def test_a_lane_whose_number_comes_again_has_nothing_of_the_one_before(store: SqliteStore, queue: Settlement) -> None:
    insert(store, queue, 1, message())
    commit(store)
    request(store, message())
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
    assert rows_of(ahead(store, message(), after=2)) == [3, 4]
    store.close(None)


def test_lanes_that_nobody_reads_give_way(store: SqliteStore, queue: Settlement) -> None:
    insert(store, queue, 1, message())
    commit(store)
    for lane in range(2, LANES_AT_ONCE + 4):
        store.read_ahead(lane << POSITION_BITS, (lane << POSITION_BITS) + 10, 1, found(message()))
    assert ahead(store, message(), most=1) is None
    assert any(ahead(store, message(), most=1) is not None for _ in range(100))


def test_the_pages_of_all_lanes_have_a_limit(store: SqliteStore, queue: Settlement) -> None:
    large = message(bytes(BODY_MAX - 100))
    store.add_lane(2, "/", "p", 0)
    count = OCTETS_AT_ONCE // BODY_MAX - 10
    for row in range(1, count + 1):
        insert(store, queue, row, large)
    insert(store, queue, 1 << POSITION_BITS, message())
    commit(store)
    request(store, large, most=count)
    other = 2 << POSITION_BITS
    store.read_ahead(other - 1, other + 10, 100, found(message()))
    assert store.found_ahead(other - 1, other + 10, 0) is None
    run = store.found_ahead(FIRST, LAST, 0)
    assert run is not None
    assert len(run.rows) == count
    store.read_ahead(other - 1, other + 10, 100, found(message()))
    assert store.found_ahead(other - 1, other + 10, 0) is not None


def test_the_thread_ends_with_the_store(path: Path) -> None:
    def is_reading() -> bool:
        return any(thread.name == "batonmq-reading" for thread in threading.enumerate())

    store = SqliteStore(str(path))
    store.open()
    assert not is_reading()
    request(store, message())
    assert is_reading()
    store.close(None)
    assert not is_reading()
