"""Delays through AMQP 0-9-1: the headers x-delay and x-deliver-at, and the exchange type x-delayed-message."""

from __future__ import annotations

import time

import pytest
from pamqp import commands as spec

from batonmq.fields import FieldValue
from tests.conformance.conftest import Again
from tests.support.broker import Broker
from tests.support.codec import Typed, typed
from tests.support.marks import differs_from
from tests.support.waiting import in_time
from tests.support.wire import Channel, channel_error

pytestmark = differs_from("rabbitmq", why="it delays with a plugin, and only in its exchange")

# Long enough to see that nothing comes before, short enough to wait for.
DELAY = 300


def elapsed(since: float) -> float:
    return time.monotonic() - since


def test_a_delayed_message_comes_after_its_delay(ch: Channel, name: str) -> None:
    def comes_after(delay: int) -> None:
        queue = f"{name}-{delay}"
        ch.queue(queue)
        ch.consume(queue, no_ack=True)
        since = time.monotonic()
        ch.publish(queue, b"later", headers={"x-delay": delay})
        ch.publish(queue, b"now")
        assert ch.bodies(2) == [b"now", b"later"]
        assert delay / 1000 - 0.002 <= elapsed(since) < 20

    in_time(comes_after, DELAY, 10 * DELAY)


def test_a_moment_can_be_named(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.consume(name, no_ack=True)
    moment = int(time.time() * 1000) + DELAY
    ch.publish(name, b"later", headers={"x-deliver-at": typed("l", moment)})
    content = ch.message()
    assert content.body == b"later"
    assert time.time() * 1000 >= moment
    # The header stays as it was.
    assert content.headers == {"x-deliver-at": moment}


def test_a_timestamp_is_a_moment(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name, b"now", headers={"x-deliver-at": typed("T", int(time.time()) - 1)})
    ch.publish(name, b"later", headers={"x-deliver-at": typed("T", int(time.time()) + 3_600)})
    ch.barrier()
    assert ch.drain(name) == [b"now"]


def test_a_delayed_message_is_not_ready(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name, headers={"x-delay": 3_600_000})
    ch.barrier()
    assert ch.count(name) == 0
    assert ch.get(name) is None


@pytest.mark.parametrize("tag", ["b", "B", "s", "u", "I", "i", "l", "L"])
def test_an_integer_of_any_width_is_a_delay(ch: Channel, name: str, tag: str) -> None:
    ch.queue(name)
    since = time.monotonic()
    ch.publish(name, headers={"x-delay": typed(tag, 100)})
    ch.await_count(name, 1)
    # The broker counts milliseconds.
    assert elapsed(since) >= 0.1 - 0.002


@pytest.mark.parametrize("header", ["x-delay", "x-deliver-at"])
@pytest.mark.parametrize(
    "value",
    [typed("I", -1), typed("S", b"100"), typed("d", 1.5), typed("t", True), typed("l", 1 << 62)],
    ids=["negative", "text", "double", "bool", "too-long"],
)
def test_what_is_no_time_closes_the_channel(ch: Channel, name: str, header: str, value: Typed) -> None:
    ch.queue(name)
    with channel_error(406):
        ch.publish(name, headers={header: value})
        ch.barrier()


def test_what_is_no_time_is_refused_whoever_would_get_it(ch: Channel, name: str) -> None:
    with channel_error(406):
        ch.publish(name + "-nowhere", headers={"x-delay": "soon"})
        ch.barrier()


def test_delayed_messages_are_confirmed_at_once(ch: Channel, name: str) -> None:
    ch.queue(name, durable=True)
    ch.select()
    ch.publish(name, delivery_mode=2, headers={"x-delay": 3_600_000})
    assert ch.confirmed() == {1: True}


def test_a_transaction_can_delay(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.call(spec.Tx.Select())
    ch.publish(name, headers={"x-delay": DELAY})
    since = time.monotonic()
    ch.call(spec.Tx.Commit())
    ch.await_count(name, 1)
    assert elapsed(since) >= DELAY / 1000 - 0.002


def test_a_delivery_repeats_itself(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.consume(name, no_ack=True)
    since = time.monotonic()
    schedule = {"AMQ_SCHEDULED_DELAY": 100, "AMQ_SCHEDULED_PERIOD": 100, "AMQ_SCHEDULED_REPEAT": 2}
    ch.publish(name, b"again", headers={**schedule, "own": 1})
    for number in (1, 2, 3):
        content = ch.message()
        assert (content.body, content.headers) == (b"again", {"own": 1})
        assert elapsed(since) >= 0.1 * number - 0.01


@pytest.mark.parametrize(
    "headers",
    [
        {"AMQ_SCHEDULED_DELAY": 100, "AMQ_SCHEDULED_REPEAT": 1},
        {"AMQ_SCHEDULED_PERIOD": "100", "AMQ_SCHEDULED_REPEAT": 1},
        {"AMQ_SCHEDULED_CRON": "* * 30 2 *"},
    ],
    ids=["no-period", "no-number", "no-day"],
)
def test_what_is_no_schedule_closes_the_channel(ch: Channel, name: str, headers: dict[str, FieldValue]) -> None:
    ch.queue(name)
    with channel_error(406):
        ch.publish(name, headers=headers)
        ch.barrier()


@pytest.mark.parametrize("kind", ["direct", "fanout", "topic"])
def test_the_exchange_of_the_plugin(ch: Channel, name: str, kind: str) -> None:
    ch.queue(name)
    ch.exchange(name, "x-delayed-message", {"x-delayed-type": kind})
    ch.bind(name, name, "a.*" if kind == "topic" else "a.b")
    ch.consume(name, no_ack=True)

    def lets_others_pass(delay: int) -> None:
        ch.publish("a.b", b"later", exchange=name, headers={"x-delay": delay})
        ch.publish("a.b", b"now", exchange=name)
        assert ch.bodies(2) == [b"now", b"later"]

    in_time(lets_others_pass, DELAY, 20 * DELAY)


def test_the_exchange_of_the_plugin_routes_by_headers_too(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name, "x-delayed-message", {"x-delayed-type": "headers"})
    ch.bind(name, name, "", {"colour": "red"})
    ch.publish("", b"blue", exchange=name, headers={"colour": "blue", "x-delay": 1})
    ch.publish("", b"red", exchange=name, headers={"colour": "red", "x-delay": 1})
    assert ch.await_one(name).body == b"red"
    assert ch.get(name) is None


@pytest.mark.parametrize("arguments", [{}, {"x-delayed-type": "nonsense"}, {"x-delayed-type": 1}])
def test_the_exchange_of_the_plugin_needs_a_type(ch: Channel, name: str, arguments: dict[str, object]) -> None:
    with channel_error(406):
        ch.exchange(name, "x-delayed-message", arguments)  # type: ignore[arg-type]


def test_many_at_once_come_in_order_and_hold_up_nobody(ch: Channel, other: Channel, name: str) -> None:
    count = 5_000
    ch.select()
    other.queue(name + "-bystander")
    other.consume(name + "-bystander", no_ack=True)

    def come(delay: int) -> None:
        queue = f"{name}-{delay}"
        ch.queue(queue, durable=True)
        moment = int(time.time() * 1000) + delay
        for number in range(count):
            headers = {"x-deliver-at": typed("l", moment)}
            ch.publish(queue, b"%d" % number, delivery_mode=2, headers=headers)
        assert all(ch.confirmed().values())
        while time.time() * 1000 < moment:
            time.sleep(0.01)
        slowest = 0.0
        while ch.count(queue) < count:
            since = time.monotonic()
            other.publish(name + "-bystander")
            other.message()
            slowest = max(slowest, elapsed(since))
        assert slowest < 0.5
        assert ch.drain(queue) == [b"%d" % number for number in range(count)]

    in_time(come, 3_000, 6_000, 12_000)


def test_delayed_messages_survive(first: Channel, again: Again, name: str) -> None:
    first.queue(name, durable=True)
    first.exchange(name, "x-delayed-message", {"x-delayed-type": "direct"}, durable=True)
    first.bind(name, name, "key")
    first.select()
    first.publish(name, b"far", delivery_mode=2, headers={"x-delay": 3_600_000})
    first.publish(name, b"near", delivery_mode=2, headers={"x-delay": 100})
    first.publish("key", b"routed", exchange=name, delivery_mode=2, headers={"x-delay": 200})
    first.publish(name, b"transient", delivery_mode=1, headers={"x-delay": 100})
    assert all(first.confirmed().values())
    ch = again()
    ch.consume(name)
    contents = ch.messages(2)
    assert [content.body for content in contents] == [b"near", b"routed"]
    assert not any(content.redelivered for content in contents)
    assert ch.quiet()
    # The exchange is there, with its type.
    ch.exchange(name, "x-delayed-message", {"x-delayed-type": "direct"}, durable=True)


def test_killed_while_they_fall_due_none_is_lost_or_doubled(own_broker: Broker, enter: Again, name: str) -> None:
    count = 2_000
    ch = enter()
    ch.queue(name, durable=True)
    ch.select()
    for number in range(count):
        ch.publish(name, b"%d" % number, delivery_mode=2, headers={"x-delay": 500})
    assert all(ch.confirmed().values())
    while ch.count(name) < count // 4:
        time.sleep(0.005)
    own_broker.kill()
    own_broker.start()
    ch = enter()
    ch.await_count(name, count)
    assert sorted(map(int, ch.drain(name))) == list(range(count))
