"""RabbitMQ's time to live: x-message-ttl of a queue, expiration of a message, whichever ends sooner."""

from __future__ import annotations

import time

import pytest
from pamqp import commands as spec

from tests.support.codec import typed
from tests.support.marks import differs_from
from tests.support.waiting import in_time
from tests.support.wire import Channel, channel_error


@pytest.fixture
def ch(ch: Channel) -> Channel:
    """A channel with confirms, so that a count of zero cannot mean "not there yet"."""
    ch.select()
    return ch


def put(ch: Channel, queue: str, body: bytes = b"", expiration: str | None = None) -> None:
    ch.publish(queue, body, expiration=expiration)
    ch.confirmed()


def test_a_message_leaves_when_its_queues_ttl_is_over(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-message-ttl": 100})
    put(ch, name)
    ch.await_count(name, 0)
    assert ch.get(name) is None


def test_a_message_leaves_when_its_expiration_is_over(ch: Channel, name: str) -> None:
    ch.queue(name)
    put(ch, name, expiration="100")
    put(ch, name, b"stays")
    ch.await_count(name, 1)
    assert ch.get_one(name).body == b"stays"


@pytest.mark.parametrize(("of_queue", "of_message"), [(100, "60000"), (60000, "100")])
def test_the_shorter_time_wins(ch: Channel, name: str, of_queue: int, of_message: str) -> None:
    ch.queue(name, {"x-message-ttl": of_queue})
    put(ch, name, expiration=of_message)
    ch.await_count(name, 0)


def test_a_message_is_there_until_its_time_is_over(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-message-ttl": 60_000})
    put(ch, name, b"x", expiration="50000")
    content = ch.await_one(name)
    assert (content.body, content.properties.expiration) == (b"x", "50000")


@pytest.mark.parametrize("by", ["queue", "message"])
def test_ttl_zero_is_for_waiting_consumers_only(ch: Channel, name: str, by: str) -> None:
    expiration = "0" if by == "message" else None
    ch.queue(name, {"x-message-ttl": 0} if by == "queue" else {})
    put(ch, name, b"lost", expiration)
    assert ch.get(name) is None
    ch.consume(name)
    put(ch, name, b"seen", expiration=expiration)
    assert ch.message().body == b"seen"


@differs_from("rabbitmq 3.10", why="it looks at the head of the queue only")
def test_an_expired_message_leaves_wherever_it_stands(ch: Channel, name: str) -> None:
    ch.queue(name)
    put(ch, name, b"head")
    put(ch, name, b"expires", expiration="100")
    put(ch, name, b"tail")
    ch.await_count(name, 2)
    assert ch.drain(name) == [b"head", b"tail"]


def test_an_expired_message_behind_a_lasting_one_is_never_delivered(ch: Channel, name: str) -> None:
    def expired(ttl: int) -> None:
        queue = f"{name}-{ttl}"
        ch.queue(queue)
        put(ch, queue, b"head")
        put(ch, queue, b"expires", expiration=str(ttl))
        put(ch, queue, b"tail")
        assert ch.count(queue) == 3
        time.sleep(2 * ttl / 1_000)
        assert ch.drain(queue) == [b"head", b"tail"]

    in_time(expired, 50, 3_000)


def test_time_runs_while_a_consumer_holds_the_message(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-message-ttl": 100})
    tag = ch.consume(name)
    put(ch, name)
    held = ch.message()
    ch.cancel(tag)
    time.sleep(0.15)
    ch.nack(held.tag)
    ch.await_count(name, 0)
    assert ch.get(name) is None


def test_a_message_that_a_consumer_holds_does_not_expire_in_its_hands(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-message-ttl": 50})
    ch.consume(name)
    put(ch, name)
    held = ch.message()
    time.sleep(0.1)
    ch.ack(held.tag)
    ch.barrier()


def test_requeueing_does_not_begin_the_time_anew(ch: Channel, name: str) -> None:
    def requeued(ttl: int) -> None:
        queue = f"{name}-{ttl}"
        ch.queue(queue, {"x-message-ttl": ttl})
        put(ch, queue)
        held = ch.get_one(queue)
        time.sleep(ttl / 2_000)
        ch.nack(held.tag)
        began = time.monotonic()
        ch.await_count(queue, 1)
        ch.await_count(queue, 0)
        assert time.monotonic() - began < 0.8 * ttl / 1_000

    in_time(requeued, 400, 6_000)


def test_the_time_of_a_transaction_begins_at_commit(ch: Channel, name: str) -> None:
    tx = ch.wire.channel(2)
    tx.call(spec.Tx.Select())

    def is_there(ttl: int) -> None:
        queue = f"{name}-{ttl}"
        ch.queue(queue, {"x-message-ttl": ttl})
        tx.publish(queue, b"x")
        time.sleep(1.2 * ttl / 1_000)
        tx.call(spec.Tx.Commit())
        assert ch.get_one(queue).body == b"x"

    in_time(is_there, 300, 3_000)


def test_expired_messages_are_confirmed(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-message-ttl": 0}, durable=True)
    for _ in range(20):
        ch.publish(name, delivery_mode=2)
    assert set(ch.confirmed().values()) == {True}


@pytest.mark.parametrize("expiration", ["+20", "0020"])
def test_an_expiration_may_be_written_in_full(ch: Channel, name: str, expiration: str) -> None:
    ch.queue(name)
    ch.publish(name, expiration=expiration)
    ch.await_count(name, 0)


@pytest.mark.parametrize("tag", "bBsuIil")
def test_a_ttl_is_an_integer_of_any_width(ch: Channel, name: str, tag: str) -> None:
    ch.queue(name, {"x-message-ttl": typed(tag, 100)})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("value", "reason"),
    [(-1, "{value_negative,-1}"), ("60", '"expected integer, got longstr"')],
)
def test_a_wrong_ttl_is_refused_with_its_reason(ch: Channel, name: str, value: int | str, reason: str) -> None:
    text = f"PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue '{name}' in vhost '/': {reason}"
    with channel_error(406, text, spec.Queue.Declare):
        ch.queue(name, {"x-message-ttl": value})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("foobar", "no_integer"),
        ("10000foobar", '{leftover_string,"foobar"}'),
        ("-10", "{value_negative,-10}"),
        (" 5", "no_integer"),
        ("5 ", '{leftover_string," "}'),
        ("3153600000001", "{value_too_large,3153600000001}"),
    ],
)
def test_a_wrong_expiration_is_refused_with_its_reason(ch: Channel, name: str, value: str, reason: str) -> None:
    with channel_error(406, f"PRECONDITION_FAILED - invalid expiration '{value}': {reason}", spec.Basic.Publish):
        ch.publish(name, expiration=value)
        ch.barrier()
