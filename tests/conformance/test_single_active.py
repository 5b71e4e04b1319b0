"""RabbitMQ's x-single-active-consumer: one consumer at a time, the next when it goes."""

from __future__ import annotations

import pytest
from pamqp.common import FieldTable

from tests.conftest import Connect
from tests.support.marks import differs_from
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


LATE_ELSEWHERE = differs_from("rabbitmq", why="it cancels the consumer that is late, or closes its channel")


@LATE_ELSEWHERE
def test_one_that_holds_messages_for_too_long_hands_over_to_the_next(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name, {**SINGLE, "x-consumer-timeout": 200})
    ch.qos(2)
    ch.consume(name, "late")
    for number in range(4):
        ch.publish(name, b"%d" % number)
    held = ch.messages(2)
    other.consume(name, "next", no_ack=True)
    # In the order of the queue: what the late one had comes before the rest.
    assert [content.body for content in other.messages(4)] == [b"0", b"1", b"2", b"3"]
    # The late one is served no more, whatever it settles, while the other one is there.
    for content in held:
        ch.ack(content.tag)
    ch.publish(name, b"4")
    assert other.message().body == b"4"
    other.cancel("next")
    ch.publish(name, b"5")
    assert ch.message().body == b"5"


@LATE_ELSEWHERE
@pytest.mark.parametrize("how", ["ack", "nack", "reject"])
def test_one_that_is_late_comes_back_into_the_line_with_its_last_settlement(
    ch: Channel, other: Channel, name: str, how: str
) -> None:
    ch.queue(name, SINGLE)
    ch.qos(1)
    ch.consume(name, "first", arguments={"x-consumer-timeout": 200})
    ch.publish(name, b"a")
    held = ch.message()
    other.qos(1)
    other.consume(name, "second", arguments={"x-consumer-timeout": 2_000})
    assert other.message().body == b"a"
    getattr(ch, how)(held.tag)
    # Now the second is late.
    assert ch.message().body == b"a"
