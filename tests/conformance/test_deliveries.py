"""Settling what AMQP 0-9-1 has no words for, through the management exchange: back for later, away with a reason."""

from __future__ import annotations

import pytest

from tests.conftest import Connect
from tests.support.management import request
from tests.support.marks import differs_from
from tests.support.waiting import in_time
from tests.support.wire import Channel

pytestmark = differs_from("rabbitmq", why="it has no such exchange")


def held(ch: Channel, queue: str, body: bytes = b"order") -> int:
    ch.publish(queue, body)
    return ch.message().tag


def test_a_delivery_is_given_back_for_later(connect: Connect, name: str) -> None:
    def waits(delay: int) -> None:
        ch, queue = connect().channel(), f"{name}-{delay}"
        ch.queue(queue)
        ch.consume(queue)
        tag = held(ch, queue)
        asked = {"channel": ch.number, "delivery_tag": tag, "milliseconds": delay}
        assert request(ch, operation="deliveries.release", **asked) == {"ok": True}
        assert ch.quiet(delay / 1_500)
        again = ch.message()
        assert (again.body, again.redelivered) == (b"order", True)
        assert request(ch, operation="deliveries.release", **asked)["ok"] is False
        ch.ack(again.tag)

    in_time(waits, 300, 6_000)


def test_it_makes_room_for_the_next(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.qos(1)
    ch.consume(name)
    tag = held(ch, name)
    ch.publish(name, b"next")
    asked = {"channel": ch.number, "delivery_tag": tag, "milliseconds": 3_600_000}
    assert request(ch, operation="deliveries.release", **asked) == {"ok": True}
    assert ch.message().body == b"next"


def test_without_a_delay_it_comes_at_once_whatever_the_queue_says(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-retry-delay": 3_600_000})
    ch.consume(name)
    tag = held(ch, name)
    asked = {"channel": ch.number, "delivery_tag": tag, "milliseconds": 0}
    assert request(ch, operation="deliveries.release", **asked) == {"ok": True}
    assert ch.message().body == b"order"


def test_it_counts_towards_the_limit(ch: Channel, name: str) -> None:
    dead = str(ch.queue("", exclusive=True).queue)
    ch.queue(name, {"x-delivery-limit": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    ch.consume(name)
    tag = held(ch, name)
    for _ in range(2):
        asked = {"channel": ch.number, "delivery_tag": tag, "milliseconds": 1}
        assert request(ch, operation="deliveries.release", **asked) == {"ok": True}
        if ch.count(dead) == 0:
            tag = ch.message().tag
    assert ch.await_one(dead).body == b"order"


def test_a_delivery_is_rejected_with_a_reason(ch: Channel, name: str) -> None:
    dead = str(ch.queue("", exclusive=True).queue)
    ch.queue(name, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    ch.consume(name)
    tag = held(ch, name)
    asked = {"channel": ch.number, "delivery_tag": tag, "reason": "no such customer"}
    assert request(ch, operation="deliveries.reject", **asked) == {"ok": True}
    letter = ch.await_one(dead)
    assert letter.headers["x-reject-reason"] == "no such customer"
    assert letter.headers["x-first-death-reason"] == "rejected"
    assert request(ch, operation="deliveries.reject", **asked)["ok"] is False


def test_what_nobody_has_seen_goes_back_uncounted(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-delivery-limit": 1})
    for number in range(3):
        ch.publish(name, b"%d" % number)
    for _ in range(3):
        tag = ch.consume(name)
        tags = [ch.message().tag for _ in range(3)]
        ch.cancel(tag)
        assert request(ch, operation="deliveries.unseen", channel=ch.number, delivery_tag=tags[0], last=tags[-1])["ok"]
        ch.await_count(name, 3)
    tag = ch.consume(name)
    found = [ch.message() for _ in range(3)]
    assert [one.body for one in found] == [b"0", b"1", b"2"]
    assert all("x-delivery-count" not in one.headers for one in found)


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("deliveries.release", {"milliseconds": 1}),
        ("deliveries.release", {"channel": 1, "delivery_tag": 1}),
        ("deliveries.release", {"channel": 1, "delivery_tag": 1, "milliseconds": -1}),
        ("deliveries.reject", {"channel": 1, "delivery_tag": 1}),
        ("deliveries.reject", {"channel": 1, "delivery_tag": 1, "reason": 5}),
        ("deliveries.unseen", {"channel": 1, "delivery_tag": 1}),
        ("deliveries.unseen", {"channel": 1, "delivery_tag": 1, "last": 0}),
        ("deliveries.unseen", {"channel": 1, "delivery_tag": 1, "last": 70_000}),
    ],
)
def test_a_request_names_what_it_is_for(ch: Channel, name: str, operation: str, fields: dict[str, object]) -> None:
    ch.queue(name)
    ch.consume(name)
    tag = held(ch, name)
    assert request(ch, operation=operation, **fields)["ok"] is False
    ch.ack(tag)  # it is still held


def test_nobody_settles_what_another_holds(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name)
    ch.consume(name)
    tag = held(ch, name)
    asked = {"channel": ch.number, "delivery_tag": tag}
    assert request(other, operation="deliveries.release", **asked, milliseconds=0)["ok"] is False
    assert request(other, operation="deliveries.reject", **asked, reason="mine")["ok"] is False
    ch.ack(tag)


def test_what_was_late_cannot_be_settled_any_more(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-consumer-timeout": 50})
    ch.qos(1)
    ch.consume(name)
    tag = held(ch, name)
    ch.await_count(name, 1)
    asked = {"channel": ch.number, "delivery_tag": tag, "milliseconds": 0}
    assert request(ch, operation="deliveries.release", **asked)["ok"] is False
    # It makes room all the same, as a late acknowledgement does.
    assert ch.message().redelivered
