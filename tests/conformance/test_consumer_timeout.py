"""The ack timeout through AMQP 0-9-1: x-consumer-timeout of a queue or of a consumer."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Again
from tests.support.management import request
from tests.support.marks import differs_from
from tests.support.waiting import in_time
from tests.support.wire import Channel, channel_error

# What the consumer that has it shall keep.
LONG = 3_600_000

pytestmark = differs_from("rabbitmq", why="it closes the channel, or cancels the consumer from 4.3 on")


def test_a_late_message_goes_to_another_and_the_channel_lives(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name, {"x-consumer-timeout": 200})
    ch.qos(1)
    ch.consume(name)
    ch.publish(name, b"slow")
    held = ch.message()
    other.consume(name, arguments={"x-consumer-timeout": LONG})
    taken = other.message()
    assert (taken.body, taken.redelivered) == (b"slow", True)
    other.ack(taken.tag)
    other.barrier()
    # The first one's acknowledgement comes too late, and does no harm.
    ch.ack(held.tag)
    ch.publish(name, b"next")
    ch.barrier()
    bodies: list[bytes] = []
    while not bodies:
        bodies = [channel.message().body for channel in (ch, other) if not channel.quiet(0.05)]
    assert bodies == [b"next"]


@pytest.mark.parametrize("how", ["ack", "multiple", "nack", "reject"])
def test_a_late_settlement_is_ignored(ch: Channel, other: Channel, name: str, how: str) -> None:
    ch.queue(name, {"x-consumer-timeout": 100})
    held = ch_get(ch, name)
    other.consume(name, "second", {"x-consumer-timeout": LONG})
    taken = other.message()
    if how == "ack":
        ch.ack(held)
    elif how == "multiple":
        ch.ack(held, multiple=True)
    elif how == "nack":
        ch.nack(held)
    else:
        ch.reject(held, requeue=False)
    ch.barrier()
    assert ch.count(name) == 0
    other.cancel("second")
    other.nack(taken.tag)
    other.barrier()
    ch.await_count(name, 1)
    with channel_error(406):
        ch.ack(held)
        ch.barrier()


def ch_get(ch: Channel, name: str) -> int:
    ch.publish(name, b"slow")
    return ch.await_one(name, no_ack=False).tag


def test_a_stuck_consumer_gets_no_more_until_it_settles(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-consumer-timeout": 100})
    ch.qos(1)
    ch.consume(name)
    ch.publish(name, b"a")
    ch.publish(name, b"b")
    held = ch.message()
    ch.await_count(name, 2)
    assert ch.quiet()
    ch.ack(held.tag)
    assert ch.message().body == b"a"


def test_the_consumer_may_say_otherwise(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name, {"x-consumer-timeout": 100})
    ch.consume(name, arguments={"x-consumer-timeout": LONG})
    ch.publish(name)
    content = ch.message()
    assert other.quiet(0.3)
    assert ch.count(name) == 0
    ch.ack(content.tag)
    ch.barrier()


def test_a_consumer_alone_may_ask_for_it(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name)
    ch.consume(name, arguments={"x-consumer-timeout": 100})
    ch.publish(name)
    ch.message()
    ch.consume(name, "second")
    assert ch.message().redelivered


def test_past_the_limit_it_is_dead_lettered(ch: Channel, name: str) -> None:
    dead = name + "-dead"
    ch.queue(dead)
    arguments = {
        "x-consumer-timeout": 50,
        "x-delivery-limit": 0,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": dead,
    }
    ch.queue(name, arguments)  # type: ignore[arg-type]
    ch.publish(name, b"slow")
    ch.get_one(name)
    assert ch.await_one(dead).body == b"slow"


@pytest.mark.parametrize("value", [0, -1, "1"])
def test_arguments_that_mean_nothing_are_refused(ch: Channel, name: str, value: int) -> None:
    with channel_error(406):
        ch.queue(name, {"x-consumer-timeout": value})
    ch = ch.wire.channel(2)
    ch.queue(name)
    with channel_error(406):
        ch.consume(name, arguments={"x-consumer-timeout": value})


def test_a_delivery_is_renewed(ch: Channel, name: str) -> None:
    def renewed(timeout: int) -> None:
        queue = f"{name}-{timeout}"
        ch.queue(queue, {"x-consumer-timeout": timeout})
        held = ch_get(ch, queue)
        renewal = {"operation": "deliveries.renew", "channel": ch.number, "delivery_tag": held}
        assert request(ch, **renewal, milliseconds=LONG) == {"ok": True}
        assert ch.quiet(1.5 * timeout / 1_000)
        assert ch.count(queue) == 0
        assert request(ch, **renewal, milliseconds=1) == {"ok": True}
        ch.await_count(queue, 1)
        answer = request(ch, **renewal, milliseconds=1_000)
        assert answer["ok"] is False
        assert "is held" in str(answer["error"])

    in_time(renewed, 400, 4_000)


@pytest.mark.parametrize("fields", [{}, {"channel": 1}, {"channel": 1, "delivery_tag": 1, "milliseconds": 0}])
def test_a_renewal_names_what_it_is_for(ch: Channel, fields: dict[str, object]) -> None:
    assert request(ch, operation="deliveries.renew", **fields)["ok"] is False


def test_nobody_renews_what_another_holds(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name, {"x-consumer-timeout": LONG})
    held = ch_get(ch, name)
    answer = request(other, operation="deliveries.renew", channel=ch.number, delivery_tag=held, milliseconds=1)
    assert answer["ok"] is False
    assert ch.count(name) == 0


def test_the_count_of_a_late_message_survives(first: Channel, again: Again, name: str) -> None:
    first.queue(name, {"x-consumer-timeout": 50, "x-delivery-limit": 9}, durable=True)
    first.select()
    first.publish(name, b"slow", delivery_mode=2)
    first.confirmed()
    first.get_one(name)
    first.await_count(name, 1)
    first.publish(name, b"later", delivery_mode=2)
    first.confirmed()
    content = again().get_one(name)
    assert (content.body, content.headers["x-delivery-count"]) == (b"slow", 1)
