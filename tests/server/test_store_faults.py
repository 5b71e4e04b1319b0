"""A full disk through the front doors: nothing is confirmed, clients are told, the rest goes on, and it ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
from pamqp import commands as spec
from pamqp.common import FieldTable
from proof.disk import Disk
from tests.support.wire import Address, Channel, Wire, channel_error

import batonmq
from batonmq.testing import RunningServer

PERSISTENT = spec.Basic.Properties(delivery_mode=2)
# Where the file is, is nobody's business who comes over the wire.
FULL = re.compile("^[^/]*the store cannot write: the disk is full$")
TELL_ME: FieldTable = {"connection.blocked": True, "publisher_confirms": True, "basic.nack": True}
DO_NOT: FieldTable = {"connection.blocked": False}
SOON = 30.0


@pytest.fixture
def server(disk: Disk, data: Path) -> Iterator[RunningServer]:
    with RunningServer(data) as server:
        yield server
        disk.is_full = False


@pytest.fixture
def address(server: RunningServer) -> Address:
    return Address(server.host, server.port)


def publisher(address: Address) -> tuple[Wire, Channel]:
    """A connection that wants to know, and a channel with confirms and a durable queue with one message."""
    wire = Wire(address).open(capabilities=TELL_ME)
    ch = wire.channel()
    ch.queue("q", durable=True)
    ch.select()
    ch.publish("q", b"kept", properties=PERSISTENT)
    assert ch.confirmed() == {1: True}
    return wire, ch


def fill(disk: Disk, wire: Wire, ch: Channel) -> spec.Connection.Blocked:
    """The disk is full, the broker has met it, and the client was told."""
    disk.is_full = True
    ch.publish("q", b"refused", properties=PERSISTENT)
    assert ch.confirmed()[2] is False
    return wire.expect(spec.Connection.Blocked)


def test_a_publisher_is_told_that_the_disk_is_full_and_that_it_is_not_any_more(disk: Disk, address: Address) -> None:
    wire, ch = publisher(address)
    assert FULL.search(fill(disk, wire, ch).reason)
    disk.is_full = False
    wire.expect(spec.Connection.Unblocked)
    ch.publish("q", b"again", properties=PERSISTENT)
    assert ch.confirmed() == {1: True, 2: False, 3: True}
    assert ch.drain("q") == [b"kept", b"again"]
    wire.close()


def test_a_client_that_did_not_ask_is_not_told(disk: Disk, address: Address) -> None:
    plain = Wire(address).open(capabilities=DO_NOT)
    other = plain.channel()
    wire, ch = publisher(address)
    fill(disk, wire, ch)
    disk.is_full = False
    wire.expect(spec.Connection.Unblocked)
    # Frames come in order: what came before this answer would be there by now.
    other.barrier()
    with pytest.raises(TimeoutError):
        plain.next(timeout=0.01)
    plain.close()
    wire.close()


def test_who_connects_while_the_disk_is_full_is_told_at_once(disk: Disk, address: Address) -> None:
    wire, ch = publisher(address)
    fill(disk, wire, ch)
    late = Wire(address).open(capabilities=TELL_ME)
    assert FULL.search(late.expect(spec.Connection.Blocked).reason)
    disk.is_full = False
    late.expect(spec.Connection.Unblocked)
    late.close()
    wire.close()


def test_everything_else_goes_on(disk: Disk, address: Address) -> None:
    wire, ch = publisher(address)
    fill(disk, wire, ch)
    ch.publish("q", b"transient")
    assert ch.confirmed()[3] is True
    ch.consume("q")
    first, second = ch.messages(2)
    assert [first.body, second.body] == [b"kept", b"transient"]
    ch.ack(second.tag, multiple=True)
    assert ch.count("q") == 0
    disk.is_full = False
    wire.expect(spec.Connection.Unblocked)
    wire.close()


def test_without_confirms_a_persistent_message_is_an_error(disk: Disk, address: Address) -> None:
    wire, ch = publisher(address)
    fill(disk, wire, ch)
    plain = Wire(address).open()
    unconfirmed = plain.channel()
    with channel_error(506, FULL):
        unconfirmed.publish("q", b"refused", properties=PERSISTENT)
        unconfirmed.next()
    plain.abort()
    wire.close()


def test_what_would_have_to_be_kept_cannot_be_declared(disk: Disk, address: Address) -> None:
    wire, ch = publisher(address)
    fill(disk, wire, ch)
    other = Wire(address).open()
    with channel_error(506, FULL):
        other.channel().queue("another", durable=True)
    other.abort()
    wire.close()


def test_a_transaction_that_cannot_be_kept_fails_as_a_whole(disk: Disk, address: Address) -> None:
    wire, ch = publisher(address)
    other = Wire(address).open()
    tx = other.channel()
    tx.call(spec.Tx.Select())
    kept = tx.get_one("q")
    tx.ack(kept.tag)
    tx.publish("q", b"step", properties=PERSISTENT)
    disk.is_full = True
    with channel_error(506, FULL):
        tx.call(spec.Tx.Commit())
    other.abort()
    disk.is_full = False
    ch.await_count("q", 1)
    content = ch.get_one("q")
    assert (content.body, content.redelivered) == (b"kept", True)
    wire.close()


def test_pika_hears_of_it(disk: Disk, server: RunningServer) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(server.url))
    heard: list[str] = []
    connection.add_on_connection_blocked_callback(lambda _connection, frame: heard.append(str(frame.method.reason)))
    connection.add_on_connection_unblocked_callback(lambda _connection, _frame: heard.append("unblocked"))
    channel = connection.channel()
    channel.queue_declare("q", durable=True)
    channel.confirm_delivery()
    disk.is_full = True
    with pytest.raises(pika.exceptions.NackError):
        channel.basic_publish("", "q", b"", pika.BasicProperties(delivery_mode=2))
    while not heard:
        connection.process_data_events(SOON)
    assert FULL.search(heard[0])
    disk.is_full = False
    while len(heard) < 2:
        connection.process_data_events(SOON)
    assert heard[1] == "unblocked"
    channel.basic_publish("", "q", b"", pika.BasicProperties(delivery_mode=2))
    connection.close()


def test_an_embedded_program_gets_an_error_and_can_go_on(disk: Disk, data: Path) -> None:
    with batonmq.connect(data / "queues.db") as mq:
        mq.declare("q")
        mq.send("q", b"kept")
        disk.is_full = True
        with pytest.raises(batonmq.StoreError, match="the disk is full"):
            mq.send("q", b"refused")
        with pytest.raises(batonmq.StoreError, match="the disk is full"):
            mq.send_many("q", [b"refused"] * 3)
        assert mq.count("q") == 1
        disk.is_full = False
        mq.send("q", b"again")
        with mq.receiver("q", wait=SOON) as receiver:
            for body in (b"kept", b"again"):
                with next(receiver) as delivery:
                    assert delivery.body == body
    with batonmq.connect(data / "queues.db") as mq:
        assert mq.count("q") == 0
