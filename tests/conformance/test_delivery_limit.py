"""RabbitMQ's x-delivery-limit: what fails too often leaves its queue; x-delivery-count tells how often it did."""

from __future__ import annotations

import pytest
from pamqp import commands as spec
from pamqp.common import FieldTable

from tests.conftest import Connect
from tests.support.management import request
from tests.support.marks import differs_from
from tests.support.wire import Channel

QUORUM: FieldTable = {"x-queue-type": "quorum"}


def fail(ch: Channel, queue: str) -> object:
    """Takes a message and gives it back; returns its delivery count."""
    content = ch.await_one(queue, no_ack=False)
    ch.nack(content.tag)
    ch.barrier()
    return content.headers.get("x-delivery-count", 0)


def limited(ch: Channel, name: str, limit: int) -> str:
    grave = name + "-dead"
    ch.queue(grave)
    arguments: FieldTable = {
        "x-delivery-limit": limit,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": grave,
    }
    ch.queue(name, {**QUORUM, **arguments}, durable=True)
    return grave


def test_a_first_delivery_counts_none(ch: Channel, name: str) -> None:
    ch.queue(name, QUORUM, durable=True)
    ch.publish(name)
    assert ch.await_one(name).headers.get("x-delivery-count", 0) == 0


def test_each_return_is_counted(ch: Channel, name: str) -> None:
    ch.queue(name, QUORUM, durable=True)
    ch.publish(name)
    assert [fail(ch, name) for _ in range(4)] == [0, 1, 2, 3]


def test_own_headers_stay_beside_the_count(ch: Channel, name: str) -> None:
    ch.queue(name, QUORUM, durable=True)
    ch.publish(name, headers={"own": "kept"})
    fail(ch, name)
    assert ch.await_one(name).headers == {"own": "kept", "x-delivery-count": 1}


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a_message_beyond_the_limit_is_dead_lettered(ch: Channel, name: str, limit: int) -> None:
    grave = limited(ch, name, limit)
    ch.publish(name, b"poison")
    for _ in range(limit + 1):
        fail(ch, name)
    content = ch.await_one(grave)
    deaths = content.headers["x-death"]
    assert isinstance(deaths, list)
    (death,) = deaths
    assert isinstance(death, dict)
    assert (content.body, death["reason"], death["count"]) == (b"poison", "delivery_limit", 1)
    assert ch.count(name) == 0


def test_a_consumer_that_goes_counts_too(connect: Connect, ch: Channel, name: str) -> None:
    grave = limited(ch, name, 2)
    ch.publish(name)
    for _ in range(3):
        wire = connect()
        wire.channel().await_one(name, no_ack=False)
        wire.close()
    ch.await_count(grave, 1)


def test_without_a_dead_letter_exchange_it_is_dropped(ch: Channel, name: str) -> None:
    ch.queue(name, {**QUORUM, "x-delivery-limit": 1}, durable=True)
    ch.publish(name)
    fail(ch, name)
    fail(ch, name)
    ch.await_count(name, 0)


def test_other_messages_are_not_held_up(ch: Channel, name: str) -> None:
    limited(ch, name, 1)
    ch.publish(name, b"poison")
    ch.publish(name, b"fine")
    ch.consume(name)
    seen = []
    while b"fine" not in seen:
        content = ch.message()
        seen.append(content.body)
        if content.body == b"poison":
            ch.nack(content.tag)
        else:
            ch.ack(content.tag)
    assert seen.count(b"poison") <= 2


# ---------------------------------------------------------------------- queues without a limit


def test_a_dead_letter_has_not_come_back_yet_where_it_goes(ch: Channel, name: str) -> None:
    grave = limited(ch, name, 5)
    ch.publish(name, headers={"own": "kept"})
    fail(ch, name)
    ch.reject(ch.await_one(name, no_ack=False).tag, requeue=False)
    headers = ch.await_one(grave).headers
    assert ("x-delivery-count" in headers, headers["own"], headers["x-first-death-reason"]) == (
        False,
        "kept",
        "rejected",
    )


@differs_from("rabbitmq", why="queues are moved in BatonMQ's own way")
def test_a_moved_message_has_not_come_back_yet_where_it_goes(ch: Channel, name: str) -> None:
    grave = limited(ch, name, 5)
    ch.publish(name, headers={"own": "kept"})
    fail(ch, name)
    assert request(ch, operation="queues.move", queue=name, to=grave)["count"] == 1
    assert ch.await_one(grave).headers == {"own": "kept"}


def test_a_queue_without_a_limit_leaves_the_headers_as_they_were_sent(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name, headers={"own": "kept"})
    ch.consume(name)
    for _ in range(2):
        content = ch.message()
        assert content.headers == {"own": "kept"}
        ch.reject(content.tag)


@differs_from("rabbitmq", why="the argument is BatonMQ's own")
@pytest.mark.parametrize("arguments", [{}, QUORUM], ids=["plain", "quorum"])
def test_a_consumer_that_asks_is_told_the_count_whatever_the_queue(
    ch: Channel, other: Channel, name: str, arguments: FieldTable
) -> None:
    ch.queue(name, arguments, durable=True)
    ch.publish(name, headers={"own": "kept"})
    ch.consume(name, arguments={"x-delivery-count": True})
    for count in range(3):
        content = ch.message()
        assert content.headers == {"own": "kept", **({"x-delivery-count": count} if count else {})}
        ch.reject(content.tag)
    held = ch.message()
    assert held.redelivered
    # It was for this one to see: in the queue the message is as it was.
    ch.call(spec.Channel.Close(200, "", 0, 0))
    seen = other.await_one(name, no_ack=False)
    assert ("x-delivery-count" in seen.headers) is bool(arguments)
