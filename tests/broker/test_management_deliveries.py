"""Requests about deliveries: renewing, releasing with a delay, rejecting with a reason, and what is no delivery."""

from __future__ import annotations

import json

import pytest
from tests.broker.test_management import answer
from tests.support.timed import Holder, Timed

from batonmq.broker import ManagedOperations
from batonmq.broker.operations.checks import MANAGEMENT
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.queued import QueuedMessage


class Held:
    """What a connection holds, by channel and delivery tag."""

    def __init__(self) -> None:
        self.deliveries: dict[tuple[int, int], QueuedMessage] = {}

    def find_delivery(self, channel: int, tag: int) -> QueuedMessage | None:
        return self.deliveries.get((channel, tag))

    def take_delivery(self, channel: int, tag: int) -> QueuedMessage | None:
        return self.deliveries.pop((channel, tag), None)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def driven(driven: Timed, held: Held) -> Timed:
    """A queue ``q`` whose one message is held as delivery 7 on channel 1."""
    driven.queue("answers", durable=False)
    driven.queue(x_consumer_timeout=10_000, x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.queue("dead")
    driven.publish("a")
    holder = Holder(driven)
    held.deliveries[1, 7] = holder.held[0]
    driven.operations = ManagedOperations(driven.operations.vhost, driven.operations.user, driven, deliveries=held)
    return driven


def ask(driven: Timed, operation: str, **fields: object) -> dict[str, object]:
    body = json.dumps({"operation": f"deliveries.{operation}", **fields}).encode()
    properties = Properties.make(reply_to="answers", correlation_id="7")
    route = driven.operations.resolve(MANAGEMENT, "")
    driven.operations.vhost.router.publish(Message(MANAGEMENT, "", properties, body), route.targets)
    driven.settle()
    return answer(driven)


def test_a_renewed_delivery_is_held_for_longer(driven: Timed, held: Held) -> None:
    assert ask(driven, "renew", channel=1, delivery_tag=7, milliseconds=60_000) == {"ok": True}
    queue = driven.operations.find_queue("q")
    driven.wait(30)
    assert queue.unsettled == 1
    driven.wait(31)
    assert queue.counts().returned == 1
    found = ask(driven, "renew", channel=1, delivery_tag=7, milliseconds=60_000)
    assert found == {
        "ok": False,
        "error": "no delivery 7 on channel 1 is held by this connection",
        "condition": "not-found",
    }


def test_a_delivery_is_released_with_a_delay(driven: Timed, held: Held) -> None:
    assert ask(driven, "release", channel=1, delivery_tag=7, milliseconds=5_000) == {"ok": True}
    queue = driven.operations.find_queue("q")
    assert (queue.unsettled, queue.ready_count, queue.delayed_count) == (0, 0, 1)
    assert held.deliveries == {}
    assert ask(driven, "release", channel=1, delivery_tag=7, milliseconds=0)["ok"] is False


def test_a_delivery_is_rejected_with_a_reason(driven: Timed) -> None:
    assert ask(driven, "reject", channel=1, delivery_tag=7, reason="no such customer") == {"ok": True}
    dead = driven.operations.find_queue("dead").get()
    assert dead is not None
    assert (dead.message.properties.headers or {})["x-reject-reason"] == "no such customer"


def test_a_delivery_that_is_late_cannot_be_settled(driven: Timed) -> None:
    driven.wait(11)
    for operation, more in (("release", {"milliseconds": 0}), ("reject", {"reason": "late"})):
        found = ask(driven, operation, channel=1, delivery_tag=7, **more)
        assert found == {
            "ok": False,
            "error": "no delivery 7 on channel 1 is held by this connection",
            "condition": "not-found",
        }


@pytest.mark.parametrize(
    ("operation", "fields", "error"),
    [
        ("renew", {"delivery_tag": 7, "milliseconds": 1}, 'the request needs "channel": a number'),
        ("renew", {"channel": -1, "delivery_tag": 7, "milliseconds": 1}, '"channel" is to be a number from 0 to 65535'),
        ("renew", {"channel": 1, "delivery_tag": 7}, 'the request needs "milliseconds": a number'),
        ("release", {"channel": 1, "delivery_tag": True, "milliseconds": 1}, '"delivery_tag" is to be a number from 0'),
        ("reject", {"channel": 1, "delivery_tag": 7}, 'the request needs "reason": a text'),
    ],
)
def test_what_is_missing_or_wrong_is_told(
    driven: Timed, held: Held, operation: str, fields: dict[str, object], error: str
) -> None:
    found = ask(driven, operation, **fields)
    assert found["ok"] is False
    assert str(found["error"]).startswith(error)
    assert driven.operations.find_queue("q").unsettled == 1


def test_a_connection_without_delivery_tags_holds_none(driven: Timed) -> None:
    driven.operations = ManagedOperations(driven.operations.vhost, driven.operations.user, driven)
    for operation, more in (("renew", {"milliseconds": 1}), ("reject", {"reason": "no"})):
        assert ask(driven, operation, channel=1, delivery_tag=7, **more)["ok"] is False
