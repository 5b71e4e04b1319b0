"""What a queue of type quorum does as in RabbitMQ 4.3: priorities without an argument, no limit, a retry delay."""

from __future__ import annotations

import time

import pytest
from pamqp import commands as spec
from pamqp.common import FieldTable

from tests.conformance.conftest import Again
from tests.support.marks import differs_from
from tests.support.wire import Channel, channel_error

pytestmark = differs_from("rabbitmq 3.10", why="all of it is RabbitMQ 4's")

QUORUM: FieldTable = {"x-queue-type": "quorum"}


def quorum(ch: Channel, name: str, arguments: FieldTable | None = None) -> None:
    ch.queue(name, {**QUORUM, **(arguments or {})}, durable=True)


def publish(ch: Channel, queue: str, *priorities: int | None) -> None:
    for priority in priorities:
        ch.publish(queue, b"%r" % priority, priority=priority, delivery_mode=2)
    ch.await_count(queue, len(priorities))


def test_the_highest_of_32_priorities_goes_first(ch: Channel, name: str) -> None:
    quorum(ch, name)
    publish(ch, name, 1, 4, 5, 9, 0, 31, 100, 3, 31, 6)
    assert ch.drain(name) == [b"31", b"100", b"31", b"9", b"6", b"5", b"4", b"3", b"1", b"0"]


def test_no_priority_is_the_fifth(ch: Channel, name: str) -> None:
    quorum(ch, name)
    publish(ch, name, 3, None, 4, 5, None)
    assert ch.drain(name) == [b"5", b"None", b"4", b"None", b"3"]


def test_a_consumer_gets_them_in_that_order(ch: Channel, name: str) -> None:
    quorum(ch, name)
    publish(ch, name, *[None] * 5, 9, *[1] * 5, 9)
    ch.consume(name, no_ack=True)
    assert [content.body for content in ch.messages(12)] == [b"9"] * 2 + [b"None"] * 5 + [b"1"] * 5


def test_what_comes_back_keeps_its_place(ch: Channel, name: str) -> None:
    quorum(ch, name)
    publish(ch, name, 4, 4, 9)
    content = ch.get_one(name)
    ch.reject(content.tag, requeue=True)
    ch.await_count(name, 3)
    assert ch.drain(name) == [b"9", b"4", b"4"]


def test_priorities_survive(first: Channel, again: Again, name: str) -> None:
    quorum(first, name)
    first.select()
    for priority in (0, None, 9, 3):
        first.publish(name, b"%r" % priority, priority=priority, delivery_mode=2)
    first.confirmed()
    ch = again()
    ch.publish(name, b"8", priority=8, delivery_mode=2)
    ch.await_count(name, 5)
    assert ch.drain(name) == [b"9", b"8", b"None", b"3", b"0"]


@pytest.mark.parametrize("limit", [-1, -5])
def test_a_negative_delivery_limit_is_none(ch: Channel, name: str, limit: int) -> None:
    quorum(ch, name, {"x-delivery-limit": limit})
    ch.publish(name, delivery_mode=2)
    for count in range(30):
        content = ch.await_one(name, no_ack=False)
        assert (content.properties.headers or {}).get("x-delivery-count", 0) == count
        ch.reject(content.tag, requeue=True)
    ch.await_count(name, 1)


@pytest.mark.parametrize(
    ("kind", "how", "delays"),
    [
        ("failed", "reject", (0.1, 0.2, 0.25)),
        ("failed", "nack", (0, 0, 0)),
        ("returned", "reject", (0, 0, 0)),
        ("returned", "nack", (0.1, 0.1, 0.1)),
        ("all", "reject", (0.1, 0.2, 0.25)),
        ("all", "nack", (0.1, 0.1, 0.1)),
        ("disabled", "reject", (0, 0, 0)),
    ],
)
def test_a_retry_waits(ch: Channel, name: str, kind: str, how: str, delays: tuple[float, ...]) -> None:
    quorum(ch, name, {"x-delayed-retry-type": kind, "x-delayed-retry-min": 100, "x-delayed-retry-max": 250})
    ch.consume(name)
    ch.publish(name, delivery_mode=2)
    content = ch.message()
    for delay in delays:
        since = time.monotonic()
        if how == "reject":
            ch.reject(content.tag, requeue=True)
        else:
            ch.nack(content.tag)
        if delay:
            ch.barrier()
            assert ch.count(name) == 0
        content = ch.message()
        assert time.monotonic() - since >= delay - 0.005


def test_without_a_maximum_a_retry_waits_the_minimum(ch: Channel, name: str) -> None:
    quorum(ch, name, {"x-delayed-retry-type": "all", "x-delayed-retry-min": 50})
    ch.consume(name)
    ch.publish(name, delivery_mode=2)
    content = ch.message()
    since = time.monotonic()
    for _ in range(4):
        ch.reject(content.tag, requeue=True)
        content = ch.message()
    assert 0.195 <= time.monotonic() - since < 20


@pytest.mark.parametrize(
    ("flags", "property_name"),
    [
        ({"durable": False}, "non-durable"),
        ({"durable": True, "exclusive": True}, "exclusive-owner"),
        ({"durable": True, "auto_delete": True}, "auto-delete"),
    ],
)
def test_what_it_cannot_be(ch: Channel, name: str, flags: dict[str, bool], property_name: str) -> None:
    text = f"PRECONDITION_FAILED - invalid property '{property_name}' for queue '{name}' in vhost '/'"
    with channel_error(406, text, spec.Queue.Declare):
        ch.queue(name, QUORUM, **flags)
