"""A message arrives as it was sent, and on time; a queue with a limit keeps to it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

import batonmq
from batonmq.engines.messages import HeaderValue
from batonmq.testing.contract.hands import QUIET, bodies, has_ready, needs, numbered, take
from batonmq.testing.contract.place import Place

HEADERS: dict[str, HeaderValue] = {
    "text": "grüße",
    "long text": "x" * 1000,
    "number": -(2**40),
    "small": 7,
    "fraction": 1.5,
    "yes": True,
    "bytes": b"\x00\xff",
    "nothing": None,
    "list": [1, "two", [3.0, None]],
    "table": {"inner": {"deep": [b"", ""]}},
}


@pytest.mark.parametrize("size", [0, 1, 300_000], ids=["empty", "small", "large"])
def test_a_message_arrives_as_it_was_sent(mq: batonmq.Connection, queue: str, size: int) -> None:
    can = mq.capabilities
    sent = batonmq.Message(
        bytes(number & 0xFF for number in range(size)),
        id="m-1",
        headers=HEADERS,
        content_type="application/octet-stream",
        correlation_id="c-1",
        reply_to="answers",
        type="order",
        priority=3 if can.priority else 0,
        ttl=3600.0 if can.ttl else None,
        created_at=datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC),
    )
    mq.send(queue, sent)
    with mq.receiver(queue) as receiver:
        found = take(receiver, 1)[0].message
    assert found.body == sent.body
    assert found.headers == HEADERS
    for name in (
        "id",
        "content_type",
        "correlation_id",
        "reply_to",
        "type",
        "priority",
        "ttl",
        "created_at",
        "durable",
    ):
        assert getattr(found, name) == getattr(sent, name), name


def test_a_time_to_live_ends(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "dead_letter", "ttl")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    mq.send(queue, b"late", ttl=0.02)
    with mq.receiver(dead) as undertaker:
        assert bodies(take(undertaker, 1)) == [b"late"]
    has_ready(mq, queue, 0)


def test_a_queues_time_to_live_ends(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "dead_letter", "ttl")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead, ttl=0.02)
    mq.send_many(queue, numbered(2))
    with mq.receiver(dead) as undertaker:
        assert bodies(take(undertaker, 2)) == [b"0", b"1"]
    has_ready(mq, queue, 0)


def test_a_delayed_message_waits_and_lets_others_pass(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "delay")
    began = time.monotonic()
    mq.send_many(queue, [batonmq.Message(b"later", delay=0.3), batonmq.Message(b"much later", delay=3600), b"now"])
    came: dict[bytes, float] = {}
    with mq.receiver(queue) as receiver:
        for _ in range(2):
            (delivery,) = take(receiver, 1)
            came[delivery.body] = time.monotonic() - began
        assert receiver.receive(wait=QUIET) == []
    # On a busy machine the delay may be over before anybody asks: then either comes first.
    assert came.keys() == {b"now", b"later"}
    assert came[b"later"] >= 0.29


def test_a_full_queue_refuses(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "max_length")
    queue = place.queue()
    mq.declare(queue, max_length=1, overflow="refuse")
    mq.send(queue, b"1")
    with pytest.raises(batonmq.ResourceError):
        mq.send(queue, b"2")
    has_ready(mq, queue, 1)


def test_a_full_queue_takes_what_waits_for_its_time(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "max_length", "delay")
    queue = place.queue()
    mq.declare(queue, max_length=1, overflow="refuse")
    mq.send(queue, b"1")
    mq.send(queue, b"later", delay=3600)
    with pytest.raises(batonmq.ResourceError):
        mq.send(queue, b"2")
    has_ready(mq, queue, 1)


def test_in_a_full_queue_the_oldest_gives_way(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "max_length", "dead_letter")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, max_length=2, dead_letter=dead)
    mq.send_many(queue, numbered(4))
    with mq.receiver(queue) as receiver, mq.receiver(dead) as undertaker:
        assert bodies(take(undertaker, 2)) == [b"0", b"1"]
        assert bodies(take(receiver, 2)) == [b"2", b"3"]
