"""Reading ahead: a run that was put together in one step is what row by row is read, or none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.store.conftest import commit

from batonmq.message import FRAMING_MAX, DeadLetter, Message, framing_of
from batonmq.properties import EMPTY, Properties
from batonmq.queued import DURABLE, HELD, SPILLED, QueuedMessage, Settlement
from batonmq.store import SqliteStore
from batonmq.store.packed import BODY_MAX, REACH, are_alike
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


def unlike(store: SqliteStore, like: Message, *, after: int = 0, most: int = 1_000) -> StoredRun | None:
    """The same where nobody guesses that all are alike."""
    return ahead(store, like, message(key="else"), like, after=after, most=most)


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
    run = ahead(store, sent[0]) if is_guessed else unlike(store, sent[0])
    assert run is not None
    assert told(run) == by_row(store)
    assert len(run.rows) == len(sent)
    # Encoders go by identity, from one run to the next as well.
    assert run.messages[0].routing_key is sent[0].routing_key
    assert {id(one.properties) for one in run.messages if one.properties == PERSISTENT} <= {id(PERSISTENT)}


def test_messages_as_many_as_were_asked_for_may_be_bodies_alone(store: SqliteStore, queue: Settlement) -> None:
    for row, one in enumerate(MANY, 1):
        insert(store, queue, row, one)
    commit(store)
    run = ahead(store, MANY[0], most=len(MANY))
    assert run is not None
    assert run.is_alike
    assert told(run) == by_row(store)


IN_FRAMING = Message("", "q", PERSISTENT, b"body", 0, 4, framing_of(2), 4)


@pytest.mark.parametrize(
    ("other", "attributes"),
    [
        (message(key="p"), {}),
        (Message("x", "q", PERSISTENT, b"body"), {}),
        (message(properties=EMPTY), {}),
        (message(), {"returns": 1}),
        (message(), {"state": HELD}),
        (message(), {"stored": SPILLED}),
        (IN_FRAMING, {}),
        (DeadLetter("", "q", PERSISTENT, b"body"), {}),
    ],
    ids=["key", "exchange", "properties", "returned", "held", "spilled", "framing", "dead"],
)
def test_one_that_is_otherwise_alike_is_no_such_body(
    store: SqliteStore, queue: Settlement, other: Message, attributes: dict[str, int]
) -> None:
    """It is read row by row, which shows those after it to be another guess."""
    for row in (1, 3):
        insert(store, queue, row, message())
    insert(store, queue, 2, other, **attributes)
    commit(store)
    assert ahead(store, message(), most=3) is None
    assert not are_alike(store.read_run(FIRST, LAST, 3, 1 << 30, committed=True))


def test_expiry_and_another_size_are_seen_while_reading(store: SqliteStore, queue: Settlement) -> None:
    insert(store, queue, 1, message())
    insert(store, queue, 2, message(), expires_at=(1 << 31) - 1)
    insert(store, queue, 3, message(b"longer"))
    commit(store)
    for most in (2, 3):
        run = ahead(store, message(), most=most)
        assert run is not None
        assert told(run) == by_row(store, most=most)


def test_messages_show_whether_they_are_alike() -> None:
    assert are_alike(found(MANY[0], MANY[1], MANY[2]))
    for other in (message(key="p"), message(b"12345"), message(b"1234", properties=EMPTY)):
        assert not are_alike(found(MANY[0], other, MANY[2]))
    assert not are_alike(StoredRun([FIRST + 1, FIRST + 3], MANY[:2]))


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
        if run is None:
            # It was wrong to guess that all are like that one.
            run = unlike(store, like, after=after, most=most)
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
@pytest.mark.parametrize("sent", [[*MANY[:5], *VARIED[:5]], MANY[:10]], ids=["varied", "alike"])
def test_what_is_damaged_is_no_run(
    store: SqliteStore, queue: Settlement, path: Path, sent: list[Message], change: str
) -> None:
    for row, one in enumerate(sent, 1):
        insert(store, queue, row, one)
    commit(store)
    run = ahead(store, MANY[0], most=10)
    assert run is not None
    before = told(run)
    assert len(before) == 10
    db = apsw.Connection(str(path))
    db.execute(change)
    assert db.changes() in (1, 2)
    db.close()
    run = ahead(store, MANY[0], most=10)
    # Where SQLite sees that it is no message, those before it come. Where all are alike, only the body and the checksum
    # of each are read: if these go with the others' address and properties, so did those that are damaged.
    assert run is None or rows_of(run) == [1, 2] or (run.is_alike and told(run) == before)


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
