"""A message is sent if, and only if, the rows that it was written with are committed: in every library."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from tests.contrib.outbox.shops import Shop, SqliteShop
from tests.support.waiting import until

import batonmq
from batonmq.contrib.outbox import TABLE, create_table, outbox_table, relay_now, waiting


def received(mq: batonmq.Connection, count: int, queue: str = "orders") -> list[bytes]:
    found: list[bytes] = []
    with mq.receiver(queue, wait=30) as receiver:
        for delivery in receiver:
            delivery.accept()
            found.append(delivery.body)
            if len(found) == count:
                break
    return found


def test_the_block_commits_rows_and_messages_together_and_they_are_relayed(mq: batonmq.Connection, shop: Shop) -> None:
    with mq.outbox(shop.connection) as outbox:
        shop.order(17)
        identity = outbox.send("orders", b"17", headers={"tenant": "a"}, priority=3)
    assert shop.numbers() == [17]
    with mq.receiver("orders", wait=30) as receiver:
        delivery = next(iter(receiver))
        delivery.accept()
    message = delivery.message
    assert (message.body, message.id, message.priority) == (b"17", identity, 3)
    assert message.headers == {"x-deduplication-header": identity, "tenant": "a"}
    until(lambda: shop.numbers(TABLE, "id") == [])


def test_what_is_rolled_back_is_never_sent(mq: batonmq.Connection, shop: Shop) -> None:

    def fail() -> None:
        with mq.outbox(shop.connection) as outbox:
            shop.order(17)
            outbox.send("orders", b"17")
            raise LookupError("no such customer")

    with pytest.raises(LookupError):
        fail()
    with mq.outbox(shop.connection) as outbox:
        outbox.send("orders", b"18")
    assert received(mq, 1) == [b"18"]
    assert shop.numbers() == []
    until(lambda: not shop.numbers(TABLE, "id"))
    assert mq.count("orders") == 0


def test_a_block_within_a_transaction_leaves_the_commit_to_the_application(mq: batonmq.Connection, shop: Shop) -> None:
    with shop.begin():
        shop.order(17)
        with mq.outbox(shop.connection) as outbox:
            outbox.send("orders", b"17")
        shop.order(18)
    assert received(mq, 1) == [b"17"]

    def fail() -> None:
        with shop.begin():
            with mq.outbox(shop.connection) as outbox:
                outbox.send("orders", b"19")
            raise LookupError("no such customer")

    with pytest.raises(LookupError):
        fail()
    with mq.outbox(shop.connection) as outbox:
        outbox.send("orders", b"20")
    assert received(mq, 1) == [b"20"]
    assert shop.numbers() == [17, 18]


def test_messages_arrive_in_the_order_in_which_they_were_committed(mq: batonmq.Connection, shop: Shop) -> None:
    for first in range(0, 30, 3):
        with mq.outbox(shop.connection) as outbox:
            outbox.send_many("orders", [b"%d" % number for number in range(first, first + 3)])
    assert received(mq, 30) == [b"%d" % number for number in range(30)]


def test_what_a_crash_left_is_relayed_later(mq: batonmq.Connection, shop: Shop) -> None:
    # A process that ends between its commit and the relay leaves this behind.
    with mq.outbox(shop.connection, relay=False) as outbox:
        outbox.send("orders", b"17")
    (left,) = waiting(shop.connection)
    shop.roll_back()
    assert (left.queue, left.count) == ("orders", 1)
    assert time.time() - 60 < left.since <= time.time()
    assert relay_now(mq, shop.connection) == 1
    assert relay_now(mq, shop.connection) == 0
    assert received(mq, 1) == [b"17"]


def test_the_next_block_relays_what_others_have_left(mq: batonmq.Connection, shop: Shop) -> None:
    with mq.outbox(shop.connection, relay=False) as outbox:
        outbox.send("orders", b"17")
    with mq.outbox(shop.connection) as outbox:
        outbox.send("orders", b"18")
    assert received(mq, 2) == [b"17", b"18"]


def test_a_message_that_is_relayed_twice_arrives_once(mq: batonmq.Connection, shop: Shop) -> None:
    """As after a crash between the send and the removal of the row."""
    with mq.outbox(shop.connection, relay=False) as outbox:
        outbox.send("orders", b"17", id="o-17")
    columns = "queue, message_id, properties, body, delay, created_at"
    shop.write(f"INSERT INTO {TABLE} ({columns}) SELECT {columns} FROM {TABLE}")
    shop.commit()
    assert relay_now(mq, shop.connection) == 2
    assert received(mq, 1) == [b"17"]
    assert mq.count("orders") == 0


def test_a_delay_counts_from_when_the_message_was_written(mq: batonmq.Connection, shop: Shop) -> None:
    with mq.outbox(shop.connection, relay=False) as outbox:
        outbox.send("orders", b"17", delay=3600)
        outbox.send("orders", b"18", delay=3600)
    shop.write(f"UPDATE {TABLE} SET created_at = created_at - 3600 WHERE id IN (SELECT MAX(id) FROM {TABLE})")
    shop.commit()
    assert relay_now(mq, shop.connection) == 2
    assert received(mq, 1) == [b"18"]
    assert mq.count("orders") == 0


def test_several_relays_take_turns(mq: batonmq.Connection, shop: Shop) -> None:
    """Without the queue's help: this one takes all that comes."""
    mq.declare("mails")
    numbers = [b"%d" % number for number in range(300)]
    with mq.outbox(shop.connection, relay=False) as outbox:
        outbox.send_many("mails", numbers)
    with batonmq.connect("memory:outbox") as other:
        for each in (mq, other):
            with each.outbox(shop.connection) as outbox:
                outbox.send("orders", b"")
        assert received(mq, 300, "mails") == numbers
        until(lambda: not shop.numbers(TABLE, "id"))
    assert mq.count("mails") == 0


def test_a_queue_that_is_not_there_holds_up_only_what_is_for_it(
    mq: batonmq.Connection, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    with mq.outbox(shop.connection) as outbox:
        for number in range(2):
            outbox.send("mails", b"%d" % number, id=f"m-{number}")
        outbox.send("orders", b"17")
    assert received(mq, 1) == [b"17"]
    until(lambda: "message 'm-0' of the outbox, and what follows it to queue 'mails', waits: " in caplog.text)
    mq.declare("mails")
    assert received(mq, 2, "mails") == [b"0", b"1"]
    assert caplog.text.count("waits:") == 1


def test_a_full_queue_takes_the_rest_when_there_is_room(mq: batonmq.Connection, shop: Shop) -> None:
    mq.declare("small", max_length=2, overflow="refuse", deduplication=60)
    with mq.outbox(shop.connection) as outbox:
        outbox.send_many("small", [b"%d" % number for number in range(5)])
    assert received(mq, 5, "small") == [b"0", b"1", b"2", b"3", b"4"]


def test_a_database_without_the_table_says_what_makes_it(mq: batonmq.Connection, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "empty.db")
    with pytest.raises(sqlite3.OperationalError) as raised, mq.outbox(connection) as outbox:
        outbox.send("orders", b"17")
    assert "create_table(connection)" in raised.value.__notes__[0]
    create_table(connection)
    create_table(connection)
    with mq.outbox(connection) as outbox:
        outbox.send_json("orders", {"number": 17})
    assert received(mq, 1) == [b'{"number":17}']
    connection.close()


def test_wrong_use_is_told_before_anything_is_written(mq: batonmq.Connection, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"takes a connection of sqlite3, psycopg, Django, .* not builtins.str"):
        mq.outbox("shop.db")
    memory = SqliteShop(":memory:")
    memory.set_up()
    with pytest.raises(ValueError, match="in memory, where no relay can see what waits"):
        mq.outbox(memory.connection)
    outbox = mq.outbox(memory.connection, relay=False)
    with pytest.raises(RuntimeError, match="in its block"):
        outbox.send("orders", b"17")
    with outbox:
        with pytest.raises(TypeError, match="a body is bytes"):
            outbox.send("orders", "17")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="in a transaction"):
            relay_now(mq, memory.connection)
        outbox.send("orders", b"17")
    assert relay_now(mq, memory.connection) == 1
    memory.connection.close()


def test_a_closed_connection_has_no_outbox_and_leaves_no_thread(tmp_path: Path) -> None:
    shop = SqliteShop(str(tmp_path / "shop.db"))
    shop.set_up()
    mq = batonmq.connect("memory:")
    mq.declare("orders")
    with mq.outbox(shop.connection) as outbox:
        outbox.send("orders", b"17")
    until(lambda: mq.count("orders"))
    mq.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "batonmq-outbox"]
    with pytest.raises(batonmq.Closed):
        mq.outbox(shop.connection)
    shop.connection.close()


def test_the_table_of_sqlalchemy_is_the_one_of_the_statements(mq: batonmq.Connection, tmp_path: Path) -> None:
    import sqlalchemy
    from sqlalchemy import orm

    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    metadata = sqlalchemy.MetaData()
    outbox_table(metadata)
    metadata.create_all(engine)
    with orm.Session(engine) as session:
        create_table(session)
        with mq.outbox(session, relay=False) as outbox:
            outbox.send("orders", b"17")
        assert relay_now(mq, session) == 1
    engine.dispose()
    assert received(mq, 1) == [b"17"]
