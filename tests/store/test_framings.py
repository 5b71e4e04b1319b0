"""A message in a framing that has a code comes back whole: payload, place of the body, and the framing itself."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import apsw
import pytest
from tests.store.conftest import commit

from batonmq.message import FRAMING_MAX, DeadLetter, Framing, Message, framing_of
from batonmq.properties import Properties
from batonmq.queued import DURABLE, SPILLED, QueuedMessage, Settlement
from batonmq.store import SqliteStore
from batonmq.store.records import POSITION_BITS

FIRST = 1 << POSITION_BITS
LAST = FIRST + 10_000
PERSISTENT = Properties.make(delivery_mode=2)
CODE = FRAMING_MAX


def opened(path: Path) -> SqliteStore:
    store = SqliteStore(str(path))
    store.open()
    return store


def framed(head: bytes, body: bytes, tail: bytes = b"", kind: type[Message] = Message, code: int = CODE) -> Message:
    payload = head + body + tail
    return kind("", "q", PERSISTENT, payload, len(head), len(body), framing_of(code), len(payload))


def insert(store: SqliteStore, queue: Settlement, row: int, message: Message, **attributes: int) -> None:
    queued = QueuedMessage(message, queue, FIRST + row, DURABLE)
    for name, value in attributes.items():
        setattr(queued, name, value)
    store.insert(queued)


def shape(message: Message) -> tuple[object, ...]:
    return (
        type(message),
        message.payload,
        message.start,
        message.size,
        message.framing,
        message.weight,
        message.body,
        message.shared_id,
    )


def test_a_framing_is_one_object_for_its_code() -> None:
    assert framing_of(1) is framing_of(1)
    assert framing_of(1) is not framing_of(2)
    assert framing_of(1).code == 1
    assert Framing().code == 0


def test_an_odd_code_is_the_edited_framing_of_the_one_before() -> None:
    assert framing_of(2).edited is framing_of(3)
    assert framing_of(3).edited is framing_of(3)
    framing = Framing()
    assert framing.edited is framing


@pytest.mark.parametrize("code", [0, -1, FRAMING_MAX + 1])
def test_there_is_no_framing_with_a_code_out_of_range(code: int) -> None:
    with pytest.raises(ValueError, match="there is no framing"):
        framing_of(code)


@pytest.mark.parametrize("is_opened_again", [False, True])
def test_each_comes_back_with_whatever_else_is_unusual(path: Path, queue: Settlement, is_opened_again: bool) -> None:
    store = opened(path)
    store.add_lane(1, "/", "q", 0)
    sent: list[Message] = []
    large = bytes(5000)
    unusual = product((Message, DeadLetter), (DURABLE, SPILLED), (0, 2), (0, 5), (b"", b"b", large), (False, True))
    for number, (kind, stored, count, expires_at, body, shares) in enumerate(unusual, 1):
        plain = kind("", "q", PERSISTENT, body)
        message = framed(b"%d:" % number, body, b"." * (number % 3), kind)
        for each in (plain, message):
            if shares:
                store.share(each)
            sent.append(each)
            insert(store, queue, len(sent), each, stored=stored, returns=count, expires_at=expires_at)
    assert any(message.shared_id for message in sent)
    commit(store)
    if is_opened_again:
        store.close(None)
        store = opened(path)
        # What is spilled lasts no longer than the process.
        sent = [message for number, message in enumerate(sent) if number // 48 % 2 == 0]
    found = store.read_run(FIRST, LAST, 10_000, 1 << 30, committed=True)
    assert found.unreadable == {}
    assert [shape(message) for message in found.messages] == [shape(message) for message in sent]
    store.close(None)


def test_one_that_waits_comes_back_in_its_framing(path: Path, queue: Settlement) -> None:
    store = opened(path)
    store.add_lane(1, "/", "q", -1)
    messages = [framed(b"head", b"body", b"tail"), Message("", "q", PERSISTENT, b"plain")]
    for row, message in enumerate(messages, 1):
        store.insert_delayed(QueuedMessage(message, queue, FIRST + row, DURABLE), 5, 0)
    commit(store)
    found = store.read_delayed(1, (0, 0), 10, 1 << 20).whole()
    assert [shape(one.message) for one in found] == [shape(message) for message in messages]
    store.close(None)


def test_like_framings_in_a_row_and_others_between(path: Path, queue: Settlement) -> None:
    store = opened(path)
    store.add_lane(1, "/", "q", 0)
    sent = [
        framed(b"a", b"body"),
        framed(b"b", b"body", b"longer"),
        Message("", "q", PERSISTENT, b"plain"),
        framed(b"a", b"body"),
        framed(b"a", b"body", code=1),
        framed(b"", b"body"),
        framed(b"only", b""),
    ]
    for row, message in enumerate(sent, 1):
        insert(store, queue, row, message)
    commit(store)
    found = store.read_run(FIRST, LAST, 10, 1 << 20, committed=True)
    assert [shape(message) for message in found.messages] == [shape(message) for message in sent]
    assert found.unusual == {}
    store.close(None)


def test_a_framing_without_a_code_is_not_kept(path: Path, queue: Settlement) -> None:
    store = opened(path)
    store.add_lane(1, "/", "q", 0)
    insert(store, queue, 1, Message("", "q", PERSISTENT, b"[body]", 1, 4, Framing()))
    commit(store)
    (message,) = store.read_run(FIRST, LAST, 10, 1 << 20, committed=True).messages
    assert (message.payload, message.framing, message.weight) == (b"body", None, 4)
    store.close(None)


@pytest.mark.parametrize("is_unusual", [False, True])
@pytest.mark.parametrize("damage", ["size = 9", "start = 9", "start = -1", "size = -1", "framing = 8", "framing = -1"])
def test_a_row_whose_framing_means_nothing_is_left_out(
    path: Path, queue: Settlement, damage: str, is_unusual: bool
) -> None:
    store = opened(path)
    store.add_lane(1, "/", "q", 0)
    for row in (1, 2):
        insert(store, queue, row, framed(b"h", b"body"), returns=int(is_unusual))
    commit(store)
    store.close(None)
    db = apsw.Connection(str(path))
    db.execute(f"UPDATE message SET {damage} WHERE id = ?", (FIRST + 1,))
    db.close()
    store = opened(path)
    found = store.read_run(FIRST, LAST, 10, 1 << 20, committed=True)
    assert list(found.unreadable) == [FIRST + 1]
    assert found.rows == [FIRST + 2]
    store.close(None)
