"""RabbitMQ's x-single-active-consumer: one consumer at a time, the next when it goes."""

from __future__ import annotations

import pytest
from pamqp.common import FieldTable

from tests.conftest import Connect
from tests.support.wire import Channel, channel_error

SINGLE: FieldTable = {"x-single-active-consumer": True}


def test_the_first_consumer_gets_all(ch: Channel, name: str) -> None:
    ch.queue(name, SINGLE)
    for tag in "abc":
        ch.consume(name, tag, no_ack=True)
    for _ in range(10):
        ch.publish(name)
    assert {content.consumer for content in ch.messages(10)} == {"a"}


def test_nobody_helps_a_consumer_without_credit(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name, SINGLE)
    ch.qos(1)
    ch.consume(name)
    other.consume(name)
    for _ in range(3):
        ch.publish(name)
    ch.message()
    assert other.quiet()


@pytest.mark.parametrize("end", ["cancel", "channel", "close", "abort"])
def test_the_next_in_line_takes_over(connect: Connect, other: Channel, name: str, end: str) -> None:
    wire = connect()
    ch = wire.channel()
    ch.queue(name, SINGLE)
    tag = ch.consume(name)
    other.consume(name, "next")
    other.wire.channel(2).consume(name, "last")
    if end == "cancel":
        ch.cancel(tag)
    elif end == "channel":
        ch.close()
    else:
        getattr(wire, end)()
    other.publish(name, b"x")
    assert other.message().consumer == "next"


def test_what_the_active_consumer_held_goes_to_the_next(connect: Connect, other: Channel, name: str) -> None:
    wire = connect()
    ch = wire.channel()
    ch.queue(name, SINGLE)
    ch.consume(name)
    other.consume(name)
    for number in range(3):
        ch.publish(name, b"%d" % number)
    ch.messages(3)
    wire.close()
    contents = other.messages(3)
    assert [content.body for content in contents] == [b"0", b"1", b"2"]
    assert all(content.redelivered for content in contents)


def test_exclusive_consumers_are_refused(ch: Channel, name: str) -> None:
    ch.queue(name, SINGLE)
    with channel_error(403, f"ACCESS_REFUSED - queue '{name}' in vhost '/' in exclusive use"):
        ch.consume(name, exclusive=True)


def test_false_is_as_absent(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-single-active-consumer": False})
    for tag in "ab":
        ch.consume(name, tag, no_ack=True)
    for _ in range(4):
        ch.publish(name)
    assert {content.consumer for content in ch.messages(4)} == {"a", "b"}


def test_all_consumers_are_counted(ch: Channel, name: str) -> None:
    ch.queue(name, SINGLE)
    ch.consume(name)
    ch.consume(name)
    assert ch.queue(name, passive=True).consumer_count == 2
