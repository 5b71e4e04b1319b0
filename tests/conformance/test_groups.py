"""Message groups through AMQP 0-9-1: the header x-group, or JMSXGroupID."""

from __future__ import annotations

import pytest

from tests.conftest import Connect
from tests.support.broker import Broker
from tests.support.marks import differs_from
from tests.support.wire import Channel

pytestmark = differs_from("rabbitmq", why="it has no message groups")


@pytest.mark.parametrize("header", ["x-group", "JMSXGroupID"])
def test_a_group_waits_for_its_owner_and_another_does_not(ch: Channel, other: Channel, name: str, header: str) -> None:
    ch.queue(name)
    for channel in (ch, other):
        channel.qos(1)
        channel.consume(name)
    ch.publish(name, b"a1", headers={header: "a"})
    ch.publish(name, b"a2", headers={header: "a"})
    ch.publish(name, b"b1", headers={header: "b"})
    ch.publish(name, b"b2", headers={header: "b"})
    ch.barrier()
    first, second = ch.message(), other.message()
    assert {first.body, second.body} == {b"a1", b"b1"}
    assert other.quiet()
    ch.ack(first.tag)
    assert ch.message().body == first.body.replace(b"1", b"2")


def test_a_consumer_that_dies_hands_its_groups_on_in_order(connect: Connect, ch: Channel, name: str) -> None:
    ch.queue(name)
    doomed = connect()
    dead = doomed.channel()
    dead.qos(3)
    dead.consume(name)
    for number in range(6):
        ch.publish(name, b"%d" % number, headers={"x-group": "a"})
    assert dead.bodies(3) == [b"0", b"1", b"2"]
    ch.consume(name)
    assert ch.quiet()
    doomed.abort()
    contents = ch.messages(6)
    assert [content.body for content in contents] == [b"%d" % number for number in range(6)]
    assert [content.method.redelivered for content in contents] == [True] * 3 + [False] * 3  # type: ignore[attr-defined]


def test_a_fetched_message_holds_its_group(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name)
    for body in (b"a1", b"a2", b"b1"):
        ch.publish(name, body, headers={"x-group": body[:1].decode()})
    fetched = ch.get_one(name)
    other.consume(name)
    assert other.message().body == b"b1"
    assert other.quiet()
    ch.ack(fetched.tag)
    assert other.message().body == b"a2"


def test_a_queue_may_name_its_own_header(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name, {"x-group-header": "customer"})
    for channel in (ch, other):
        channel.qos(1)
        channel.consume(name)
    for number in range(2):
        ch.publish(name, headers={"customer": 7, "x-group": str(number)})
    ch.message()
    assert other.quiet()


def test_groups_and_redeliveries_survive_a_kill(own_broker: Broker, connect: Connect, name: str) -> None:
    ch = connect(to=own_broker.address).channel()
    ch.queue(name, durable=True)
    ch.select()
    for number in range(4):
        headers = {"x-group": "ab"[number % 2]}
        ch.publish(name, b"%d" % number, headers=headers, delivery_mode=2)
    ch.confirmed()
    ch.qos(1)
    ch.consume(name)
    assert ch.message().body == b"0"
    own_broker.kill()
    own_broker.start()
    ch = connect(to=own_broker.address).channel()
    ch.consume(name)
    contents = ch.messages(4)
    assert [content.body for content in contents] == [b"0", b"1", b"2", b"3"]
    assert [content.method.redelivered for content in contents] == [True, False, False, False]  # type: ignore[attr-defined]
