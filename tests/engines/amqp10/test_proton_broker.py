"""The engine against a broker that is neither ours nor known to it, over proton's implementation of the protocol."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import batonmq

pytest.importorskip("proton")

from tests.engines.amqp10.proton_broker import ProtonBroker

SOON = 30.0
# As Azure Service Bus names them.
SUB_QUEUES = ("orders/$DeadLetterQueue", "topic/Subscriptions/name")


@pytest.fixture
def broker() -> Iterator[ProtonBroker]:
    broker = ProtonBroker("q", "other", *SUB_QUEUES)
    yield broker
    broker.close()


@pytest.fixture
def mq(broker: ProtonBroker) -> Iterator[batonmq.Connection]:
    with batonmq.connect(f"amqp10://127.0.0.1:{broker.port}/") as mq:
        yield mq


def test_what_a_plain_broker_cannot_do_is_said_before_anything_is_sent(mq: batonmq.Connection) -> None:
    can = mq.capabilities
    assert (can.transactions, can.count, can.delay, can.lease) == (False, False, False, False)
    with pytest.raises(batonmq.UnsupportedFeature, match="amqp10: count"):
        mq.count("q")
    with pytest.raises(batonmq.UnsupportedFeature, match="amqp10: delay"):
        mq.send("q", b"", delay=1)
    with pytest.raises(batonmq.UnsupportedFeature, match=r"amqp10: declare: .* the broker's own tools"):
        mq.declare("new")
    with pytest.raises(batonmq.UnsupportedFeature, match=r"amqp10: delete: .* the broker's own tools"):
        mq.delete("q")


@pytest.mark.parametrize("queue", SUB_QUEUES)
def test_the_name_of_a_queue_is_its_address(mq: batonmq.Connection, queue: str) -> None:
    mq.send(queue, b"letter")
    with mq.receiver(queue) as receiver:
        (delivery,) = receiver.receive(wait=SOON)
        delivery.accept()
    assert delivery.body == b"letter"


def test_messages_go_both_ways_with_all_that_they_have(mq: batonmq.Connection) -> None:
    sent = batonmq.Message(
        b"\x00body",
        id="m-1",
        headers={"text": "ü", "number": 5, "flag": True, "x-own": [1, {"a": b"b"}], "nothing": None},
        content_type="application/json",
        correlation_id="c-1",
        reply_to="other",
        type="order",
        priority=3,
        ttl=60.0,
        created_at=datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC),
    )
    mq.send("q", sent)
    with mq.receiver("q") as receiver:
        (found,) = receiver.receive(wait=SOON)
        found.accept()
    assert found.message.properties.headers == sent.headers
    for name in ("body", "id", "content_type", "correlation_id", "reply_to", "type", "priority", "ttl", "created_at"):
        assert getattr(found.message, name) == getattr(sent, name), name


def test_large_messages_and_many_come_whole_and_in_order(mq: batonmq.Connection) -> None:
    bodies = [bytes(300_000), *(b"%d" % number for number in range(500)), bytes(200_000)]
    mq.send_many("q", bodies)
    found: list[bytes] = []
    with mq.receiver("q") as receiver:
        while len(found) < len(bodies):
            for delivery in receiver.receive(100, wait=SOON):
                found.append(delivery.body)
                delivery.accept()
    assert found == bodies


def test_what_is_released_comes_again_and_is_counted(mq: batonmq.Connection) -> None:
    mq.send("q", b"again")
    with mq.receiver("q") as receiver:
        for count in (1, 2, 3):
            (delivery,) = receiver.receive(wait=SOON)
            assert (delivery.delivery_count, delivery.redelivered) == (count, count > 1)
            if count < 3:
                delivery.release()
            else:
                delivery.accept()
        assert receiver.receive(wait=0.1) == []


def test_what_a_receiver_held_goes_back_when_it_is_closed(mq: batonmq.Connection) -> None:
    mq.send_many("q", [b"seen", b"unseen"])
    with mq.receiver("q") as receiver:
        receiver.receive(1, wait=SOON)
    found: dict[bytes, int] = {}
    with mq.receiver("q") as receiver:
        while len(found) < 2:
            for delivery in receiver.receive(2, wait=SOON):
                found[delivery.body] = delivery.delivery_count
                delivery.accept()
    assert found == {b"seen": 2, b"unseen": 1}


def test_a_queue_that_is_not_there_is_not_found(mq: batonmq.Connection) -> None:
    with pytest.raises(batonmq.NotFound, match="there is no nobody"):
        mq.send("nobody", b"")
    with pytest.raises(batonmq.NotFound, match="there is no nobody"):
        mq.receiver("nobody").receive(wait=SOON)


def test_a_request_gets_its_reply(mq: batonmq.Connection, broker: ProtonBroker) -> None:
    with batonmq.connect(f"amqp10://127.0.0.1:{broker.port}/") as other, other.receiver("q") as receiver:

        def serve() -> None:
            (asked,) = receiver.receive(wait=SOON)
            other.reply(asked, b"re: " + asked.body)
            asked.accept()

        server = threading.Thread(target=serve)
        server.start()
        assert mq.request("q", b"how are you?", timeout=SOON).body == b"re: how are you?"
        server.join()


def test_a_queue_is_emptied_and_moved_by_receiving(mq: batonmq.Connection) -> None:
    mq.send_many("q", [b"%d" % number for number in range(250)])
    assert mq.purge("q") == 250
    mq.send_many("q", [b"a", b"b", b"c"])
    assert mq.replay("q", "other", max=2) == 2
    with mq.receiver("other") as receiver:
        found: list[batonmq.Delivery] = []
        while len(found) < 2:
            found += receiver.receive(2, wait=SOON)
        assert [each.body for each in found] == [b"a", b"b"]
        for each in found:
            each.accept()
    assert mq.purge("q") == 1
