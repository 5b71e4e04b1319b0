"""RabbitMQ's length limits: x-max-length and x-max-length-bytes, and what x-overflow does at them."""

from __future__ import annotations

import pytest
from pamqp import commands as spec
from pamqp.common import FieldTable

from tests.support.wire import Channel, channel_error

REJECTING: FieldTable = {"x-max-length": 3, "x-overflow": "reject-publish"}


def publish(ch: Channel, queue: str, count: int, size: int = 1) -> None:
    for number in range(count):
        ch.publish(queue, b"%d" % number * size)
    ch.barrier()


def test_the_oldest_messages_make_room(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-length": 3})
    publish(ch, name, 10)
    ch.await_count(name, 3)
    assert ch.drain(name) == [b"7", b"8", b"9"]


def test_messages_in_the_hands_of_consumers_do_not_count(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-length": 2})
    publish(ch, name, 2)
    ch.await_count(name, 2)
    held = [ch.get_one(name), ch.get_one(name)]
    publish(ch, name, 2)
    ch.await_count(name, 2)
    ch.nack(held[1].tag, multiple=True)
    ch.barrier()
    ch.await_count(name, 2)
    assert ch.drain(name) == [b"0", b"1"]


def test_bodies_are_counted_by_their_bytes(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-length-bytes": 25})
    publish(ch, name, 5, size=10)
    ch.await_count(name, 2)
    assert ch.drain(name) == [b"3" * 10, b"4" * 10]


def test_both_limits_hold(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-length": 3, "x-max-length-bytes": 15})
    publish(ch, name, 5, size=10)
    ch.await_count(name, 1)
    publish(ch, name, 5)
    ch.await_count(name, 3)


def test_a_message_too_large_for_the_queue_does_not_stay(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-length-bytes": 5})
    publish(ch, name, 1, size=10)
    ch.await_count(name, 0)


def test_a_queue_of_length_zero_is_for_waiting_consumers(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-length": 0})
    publish(ch, name, 1)
    assert ch.get(name) is None
    ch.consume(name)
    ch.publish(name, b"seen")
    assert ch.message().body == b"seen"


def test_what_is_dropped_was_confirmed_all_the_same(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-length": 3}, durable=True)
    ch.select()
    for _ in range(10):
        ch.publish(name, delivery_mode=2)
    assert set(ch.confirmed().values()) == {True}


def test_reject_publish_refuses_what_does_not_fit(ch: Channel, name: str) -> None:
    ch.queue(name, REJECTING)
    ch.select()
    for number in range(3):
        ch.publish(name, b"%d" % number)
        ch.confirmed()
    for number in range(3):
        ch.publish(name, b"late")
        assert ch.confirmed()[4 + number] is False
    assert ch.drain(name) == [b"0", b"1", b"2"]


def test_reject_publish_drops_silently_without_confirms(ch: Channel, name: str) -> None:
    ch.queue(name, REJECTING)
    publish(ch, name, 10)
    ch.await_count(name, 3)
    assert ch.drain(name) == [b"0", b"1", b"2"]


def test_reject_publish_takes_more_when_there_is_room_again(ch: Channel, name: str) -> None:
    ch.queue(name, REJECTING)
    publish(ch, name, 3)
    ch.await_count(name, 3)
    ch.get(name, no_ack=True)
    ch.select()
    ch.publish(name, b"fits")
    assert ch.confirmed() == {1: True}


def test_reject_publish_by_bytes(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-length-bytes": 10, "x-overflow": "reject-publish"})
    ch.select()
    ch.publish(name, b"x" * 10)
    ch.confirmed()
    ch.publish(name, b"y")
    ch.publish(name, b"z")
    assert ch.confirmed()[3] is False


def test_a_rejection_by_one_of_several_queues_is_a_nack(ch: Channel, name: str) -> None:
    ch.queue(name, REJECTING)
    ch.queue(name + "-roomy")
    for queue in (name, name + "-roomy"):
        ch.bind(queue, "amq.direct", name)
    publish(ch, name, 3)
    ch.await_count(name, 3)
    ch.select()
    ch.publish(name, b"fits one", exchange="amq.direct")
    assert ch.confirmed() == {1: False}
    assert ch.await_one(name + "-roomy").body == b"fits one"


@pytest.mark.parametrize("overflow", ["drop-head", "reject-publish", "reject-publish-dlx"])
def test_the_overflow_behaviour_is_accepted(ch: Channel, name: str, overflow: str) -> None:
    ch.queue(name, {"x-max-length": 3, "x-overflow": overflow})


@pytest.mark.parametrize("argument", ["x-max-length", "x-max-length-bytes"])
@pytest.mark.parametrize(("value", "reason"), [(-1, "{value_negative,-1}"), ("5", '"expected integer, got longstr"')])
def test_a_wrong_limit_is_refused_with_its_reason(
    ch: Channel, name: str, argument: str, value: int | str, reason: str
) -> None:
    text = f"PRECONDITION_FAILED - invalid arg '{argument}' for queue '{name}' in vhost '/': {reason}"
    with channel_error(406, text, spec.Queue.Declare):
        ch.queue(name, {argument: value})


def test_no_publish_is_confirmed_twice(ch: Channel, name: str) -> None:
    """What was refused is not acknowledged along with its neighbours, wherever it stands between them."""
    ch.queue(name, {"x-max-length": 1, "x-overflow": "reject-publish"})
    ch.queue(name + "-free")
    ch.select()
    for key in (name, name, name, name + "-free", name, name + "-free", name + "-free", name):
        ch.publish(key)
    assert ch.confirmed() == {tag: tag in (1, 4, 6, 7) for tag in range(1, 9)}
    assert ch.quiet()
