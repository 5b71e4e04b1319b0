"""Retries with backoff through AMQP 0-9-1: the queue arguments x-retry-delay, x-retry-backoff and x-retry-max-delay."""

from __future__ import annotations

import time

import pytest
from pamqp import commands as spec

from tests.conformance.conftest import Again
from tests.conftest import Connect
from tests.support.codec import typed
from tests.support.marks import differs_from
from tests.support.waiting import in_time
from tests.support.wire import Channel, channel_error

pytestmark = differs_from("rabbitmq", why="it has other names for this, in quorum queues from 4.3 on")


def test_the_delay_grows_and_the_count_shows(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-retry-delay": 100, "x-retry-backoff": 2.0})
    ch.consume(name)
    ch.publish(name, b"again", headers={"own": 1})
    content = ch.message()
    for count, seconds in ((1, 0.1), (2, 0.2), (3, 0.4)):
        since = time.monotonic()
        ch.nack(content.tag)
        ch.barrier()
        assert ch.count(name) == 0
        content = ch.message()
        assert time.monotonic() - since >= seconds - 0.002
        assert content.headers == {"own": 1, "x-delivery-count": count}
        assert content.redelivered


@pytest.mark.parametrize("how", ["nack", "reject", "recover", "leave"])
def test_every_return_waits(connect: Connect, ch: Channel, name: str, how: str) -> None:
    def waits(delay: int) -> None:
        queue = f"{name}-{delay}"
        ch.queue(queue, {"x-retry-delay": delay})
        ch.publish(queue)
        wire = connect()
        taker = wire.channel()
        content = taker.await_one(queue, no_ack=False)
        if how == "nack":
            taker.nack(content.tag)
        elif how == "reject":
            taker.reject(content.tag)
        elif how == "recover":
            taker.call(spec.Basic.Recover(True))
        else:
            wire.close()
        if how != "leave":
            taker.barrier()
        assert ch.get(queue) is None
        assert ch.await_one(queue).redelivered

    in_time(waits, 300, 6_000)


def test_others_overtake_and_it_returns_to_the_head(ch: Channel, name: str) -> None:
    def overtaken(delay: int) -> None:
        queue = f"{name}-{delay}"
        ch.queue(queue, {"x-retry-delay": delay})
        for body in (b"a", b"b", b"c"):
            ch.publish(queue, body)
        ch.nack(ch.get_one(queue).tag)
        assert ch.get_one(queue, no_ack=True).body == b"b"
        ch.await_count(queue, 2)
        assert ch.drain(queue) == [b"a", b"c"]

    in_time(overtaken, 200, 6_000)


def test_past_the_limit_it_is_dead_lettered(ch: Channel, name: str) -> None:
    dead = name + "-dead"
    ch.queue(dead)
    arguments = {
        "x-retry-delay": 20,
        "x-delivery-limit": 2,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": dead,
    }
    ch.queue(name, arguments)  # type: ignore[arg-type]
    ch.consume(name)
    ch.publish(name, b"poison")
    for _ in range(3):
        ch.nack(ch.message().tag)
    assert ch.await_one(dead).body == b"poison"
    assert ch.quiet()


@pytest.mark.parametrize(
    "arguments",
    [
        {"x-retry-delay": -1},
        {"x-retry-delay": "1"},
        {"x-retry-backoff": 2},
        {"x-retry-max-delay": 2},
        {"x-retry-delay": 1, "x-retry-backoff": typed("d", 0.5)},
    ],
)
def test_arguments_that_mean_nothing_are_refused(ch: Channel, name: str, arguments: dict[str, object]) -> None:
    with channel_error(406):
        ch.queue(name, arguments)  # type: ignore[arg-type]


def test_other_arguments_than_before_are_inequivalent(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-retry-delay": 100})
    ch.queue(name, {"x-retry-delay": typed("l", 100)})  # type: ignore[dict-item]
    with channel_error(406):
        ch.queue(name, {"x-retry-delay": 200})


def test_the_delay_and_the_count_survive(first: Channel, again: Again, name: str) -> None:
    first.queue(name, {"x-retry-delay": 700, "x-retry-max-delay": 3_600_000}, durable=True)
    first.select()
    for body in (b"a", b"b", b"c"):
        first.publish(name, body, delivery_mode=2)
    first.confirmed()
    tags = [first.get_one(name).tag for _ in range(2)]
    first.nack(tags[1])
    first.nack(tags[0])
    first.publish(name, b"d", delivery_mode=2)
    first.confirmed()
    ch = again()
    ch.await_count(name, 4)
    contents = [ch.get_one(name) for _ in range(4)]
    assert [content.body for content in contents] == [b"a", b"b", b"c", b"d"]
    assert [content.headers.get("x-delivery-count", 0) for content in contents] == [1, 1, 0, 0]
