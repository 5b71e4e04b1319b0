"""basic.qos with global=true: one limit for all consumers of a channel (RabbitMQ's meaning of §1.8.3.1).

RabbitMQ 4.3 has this only where `deprecated_features.permit.global_qos = true` is configured.
"""

from __future__ import annotations

from typing import Any

import pytest
from pamqp import commands as spec

from tests.support.wire import Channel

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "priorities": {"x-max-priority": 5},
    "time to live": {"x-message-ttl": 60_000},
    "length": {"x-max-length": 100},
    "refusing": {"x-max-length": 100, "x-overflow": "reject-publish"},
    "dead letters": {"x-dead-letter-exchange": "amq.fanout"},
    "one active": {"x-single-active-consumer": True},
    "groups": {},
}


@pytest.mark.parametrize("consumers", ["one", "two", "of two priorities"])
@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_no_more_than_the_limit_is_held(ch: Channel, name: str, kind: str, limit: int, consumers: str) -> None:
    ch.qos(limit, globally=True)
    queues = [f"{name}-{number}" for number in range(4)]
    for queue in queues:
        ch.queue(queue, exclusive=True, arguments=KINDS[kind])
        ch.consume(queue)
        if consumers != "one":
            ch.consume(queue, arguments={"x-priority": 7} if consumers == "of two priorities" else {})
    for number in range(6):
        for queue in queues:
            ch.publish(queue, headers={"x-group": str(number % 2)} if kind == "groups" else None)
    held = [content.tag for content in ch.messages(limit)]
    assert ch.quiet(0.03)
    for _ in range(4 * 6 - limit):
        ch.ack(held.pop(0))
        held.append(ch.message().tag)
        ch.barrier()
        assert ch.quiet(0)
    ch.ack(0, multiple=True)
    ch.barrier()
    assert ch.quiet(0)


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("kind", ["plain", "priorities"])
def test_queues_take_turns(ch: Channel, name: str, limit: int, kind: str, at_once: int) -> None:
    queues = [f"{name}-{letter}" for letter in "abc"]
    for queue in queues:
        ch.queue(queue, exclusive=True, arguments=KINDS[kind])
        for _ in range(30):
            ch.publish(queue)
    ch.qos(limit, globally=True)
    for queue in queues:
        ch.consume(queue)
    order = []
    for _ in range(30 // min(at_once, limit)):
        held = ch.messages(min(at_once, limit))
        order += [content.key for content in held]
        ch.ack(held[-1].tag, multiple=True)
    assert min(order.count(queue) for queue in queues) >= 3


@pytest.mark.parametrize("kind", ["plain", "priorities"])
def test_consumers_of_one_queue_take_turns(ch: Channel, name: str, kind: str) -> None:
    ch.queue(name, exclusive=True, arguments=KINDS[kind])
    ch.qos(1, globally=True)
    ch.consume(name, "1")
    ch.consume(name, "2")
    order = ""
    for _ in range(20):
        ch.publish(name)
    for _ in range(20):
        content = ch.message()
        order += content.consumer
        ch.ack(content.tag)
    assert order.count("1") == order.count("2") == 10


def test_the_consumer_of_the_highest_priority_is_served_first(ch: Channel, name: str) -> None:
    ch.queue(name, exclusive=True)
    ch.qos(1, globally=True)
    ch.consume(name, "low")
    ch.consume(name, "high", {"x-priority": 1})
    for _ in range(10):
        ch.publish(name)
    for _ in range(10):
        content = ch.message()
        assert content.consumer == "high"
        ch.ack(content.tag)


def test_who_does_not_acknowledge_waits_and_is_not_counted(ch: Channel, name: str) -> None:
    first, second = f"{name}-1", f"{name}-2"
    ch.queue(first, exclusive=True)
    ch.queue(second, exclusive=True)
    ch.qos(1, globally=True)
    ch.consume(first)
    ch.publish(first)
    held = ch.message()
    ch.consume(second, no_ack=True)
    for _ in range(5):
        ch.publish(second)
    ch.barrier()
    assert ch.quiet()
    ch.ack(held.tag)
    ch.messages(5)
    ch.publish(first)
    ch.message()


@pytest.mark.parametrize("settle", ["ack", "nack", "reject", "cancel", "delete"])
def test_what_is_settled_makes_room_for_other_queues(ch: Channel, other: Channel, name: str, settle: str) -> None:
    first, second = f"{name}-1", f"{name}-2"
    ch.queue(first)
    ch.queue(second, exclusive=True)
    ch.qos(1, globally=True)
    ch.consume(first, "first")
    ch.publish(first)
    held = ch.message()
    ch.consume(second, "second")
    ch.publish(second, b"next")
    ch.barrier()
    assert ch.quiet(0.05)
    if settle == "nack":
        ch.nack(held.tag, requeue=False)
    elif settle == "reject":
        ch.reject(held.tag, requeue=False)
    else:
        if settle == "cancel":
            ch.cancel("first")
        elif settle == "delete":
            other.delete(first)
            ch.take(spec.Basic.Cancel)
        ch.ack(held.tag)
    assert ch.message().body == b"next"
    ch.delete(first)


def test_who_was_cancelled_while_it_waited_is_passed_by(ch: Channel, name: str) -> None:
    ch.queue(name, exclusive=True)
    ch.qos(1, globally=True)
    for tag in "abcd":
        ch.consume(name, tag)
    for _ in range(3):
        ch.publish(name)
    held = ch.message()
    assert held.consumer == "a"
    ch.cancel("b")
    ch.cancel("c")
    ch.ack(held.tag)
    held = ch.message()
    assert held.consumer == "d"
    ch.ack(held.tag)
    assert ch.message().consumer == "a"


def test_nobody_is_starved_by_those_whose_messages_have_gone(ch: Channel, other: Channel, name: str) -> None:
    queues = [f"{name}-{number}" for number in range(30)]
    ch.qos(1, globally=True)
    for queue in queues:
        ch.queue(queue)
        ch.consume(queue)
        ch.publish(queue)
    held = ch.message()
    ch.barrier()
    # Everybody else has met a message, and finds none when there is room.
    for queue in queues[1:-1]:
        other.call(spec.Queue.Purge(queue=queue))
    ch.ack(held.tag)
    assert ch.message().key == queues[-1]
    for queue in queues:
        ch.delete(queue)


def test_what_is_fetched_is_neither_counted_nor_held_up(ch: Channel, name: str) -> None:
    ch.queue(name, exclusive=True)
    ch.qos(1, globally=True)
    ch.consume(name)
    for _ in range(4):
        ch.publish(name)
    held = ch.message()
    fetched = ch.get_one(name)
    ch.ack(fetched.tag)
    ch.barrier()
    assert ch.quiet()
    ch.ack(held.tag)
    ch.message()


def test_channels_have_limits_of_their_own(ch: Channel, name: str) -> None:
    second = ch.wire.channel(2)
    ch.queue(name, exclusive=True)
    for channel in (ch, second):
        channel.qos(1, globally=True)
        channel.consume(name)
    for _ in range(5):
        ch.publish(name)
    for channel in (ch, second):
        channel.message()
        assert channel.quiet(0.05)


def test_a_limit_that_is_set_later_holds_for_consumers_that_are_there(ch: Channel, name: str) -> None:
    queues = [f"{name}-1", f"{name}-2"]
    for queue in queues:
        ch.queue(queue, exclusive=True)
        ch.consume(queue)
    ch.qos(1, globally=True)
    for queue in queues:
        ch.publish(queue)
        ch.publish(queue)
    held = ch.message()
    assert ch.quiet(0.05)
    ch.qos(0, globally=True)
    ch.messages(3)
    ch.ack(held.tag)


def test_a_consumer_of_replies_is_no_part_of_the_line(ch: Channel, name: str) -> None:
    ch.queue(name, exclusive=True)
    ch.qos(1, globally=True)
    ch.consume("amq.rabbitmq.reply-to", no_ack=True)
    ch.consume(name)
    # More than waits to be written at once: when it has gone, all consumers of the channel may have room again.
    large = b"x" * 600_000
    for body in (large, b"second", b"third"):
        ch.publish(name, body)
    ch.barrier()
    for body in (large, b"second", b"third"):
        held = ch.message()
        assert held.body == body
        ch.barrier()
        ch.ack(held.tag)
