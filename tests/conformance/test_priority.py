"""RabbitMQ's priority queues: x-max-priority, and the priority of messages within it."""

from __future__ import annotations

import pytest
from pamqp import commands as spec

from tests.support.wire import Channel, channel_error


def publish(ch: Channel, queue: str, *priorities: int | None) -> None:
    for number, priority in enumerate(priorities):
        ch.publish(queue, b"%d" % number, priority=priority)
    ch.await_count(queue, len(priorities))


def test_higher_priorities_go_first_in_order_of_arrival(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-priority": 10})
    publish(ch, name, 1, 5, 3, 5, 1, 10)
    assert ch.drain(name) == [b"5", b"1", b"3", b"2", b"0", b"4"]


def test_a_priority_above_the_highest_counts_as_the_highest(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-priority": 5})
    publish(ch, name, 5, 200, 5, 9)
    assert ch.drain(name) == [b"0", b"1", b"2", b"3"]


def test_no_priority_is_the_lowest(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-priority": 5})
    publish(ch, name, None, 0, 1, None)
    assert ch.drain(name) == [b"2", b"0", b"1", b"3"]


def test_without_the_argument_priorities_mean_nothing(ch: Channel, name: str) -> None:
    ch.queue(name)
    publish(ch, name, 1, 9, 5)
    assert ch.drain(name) == [b"0", b"1", b"2"]


def test_a_requeued_message_keeps_its_priority_and_place(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-priority": 5})
    publish(ch, name, 1, 5, 1, 5)
    held = [ch.get_one(name) for _ in range(4)]
    for content in reversed(held):
        ch.nack(content.tag)
    ch.await_count(name, 4)
    assert ch.drain(name) == [b"1", b"3", b"0", b"2"]


def test_the_priority_of_a_message_is_kept(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-priority": 5})
    publish(ch, name, 200)
    assert ch.get_one(name).properties.priority == 200


def test_a_message_of_higher_priority_overtakes_what_waits(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-priority": 5})
    publish(ch, name, 1, 1, 1)
    ch.qos(1)
    ch.consume(name)
    first = ch.message()
    ch.publish(name, b"urgent", priority=5)
    ch.await_count(name, 3)
    ch.ack(first.tag)
    assert ch.message().body == b"urgent"


def test_a_full_queue_drops_its_head_whatever_the_priority(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-priority": 5, "x-max-length": 2})
    for number, priority in enumerate((1, 5, 5)):
        ch.publish(name, b"%d" % number, priority=priority)
    ch.await_count(name, 2)
    assert ch.drain(name) == [b"2", b"0"]


@pytest.mark.parametrize("levels", [1, 10, 255])
def test_the_number_of_priorities_is_accepted(ch: Channel, name: str, levels: int) -> None:
    ch.queue(name, {"x-max-priority": levels}, durable=True)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(-1, "{value_negative,-1}"), (256, "{max_value_exceeded,256}"), ("5", '"expected integer, got longstr"')],
)
def test_a_wrong_number_is_refused_with_its_reason(ch: Channel, name: str, value: int | str, reason: str) -> None:
    text = f"PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue '{name}' in vhost '/': {reason}"
    with channel_error(406, text, spec.Queue.Declare):
        ch.queue(name, {"x-max-priority": value})
