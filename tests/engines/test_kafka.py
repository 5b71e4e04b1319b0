"""Queues in a real Kafka: what is particular to share groups, and what comes back after kill -9."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import batonmq
from batonmq.engines.messages import HeaderValue
from tests.contract.places import running
from tests.peers.catalogue import wanted
from tests.peers.kafka import Kafka

SOON = 30.0


@pytest.fixture
def mq() -> Iterator[batonmq.Connection]:
    with batonmq.connect(running("BATONMQ_TEST_KAFKA")) as found:
        yield found


@pytest.fixture
def queue(mq: batonmq.Connection, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"t-{abs(hash(request.node.nodeid)):x}"
    mq.declare(name)
    yield name
    mq.delete(name)


def take(receiver: batonmq.Receiver, count: int) -> list[batonmq.Delivery]:
    found: list[batonmq.Delivery] = []
    while len(found) < count:
        more = receiver.receive(count - len(found), wait=SOON)
        assert more, f"only {len(found)} of {count} came"
        found += more
    return found


def test_a_message_that_is_worked_on_does_not_stop_those_behind_it(mq: batonmq.Connection, queue: str) -> None:
    mq.send_many(queue, [b"%d" % number for number in range(12)])
    with mq.receiver(queue, prefetch=3) as receiver:
        (slow,) = take(receiver, 1)
        found = []
        for _ in range(11):
            (delivery,) = take(receiver, 1)
            found.append(int(delivery.body))
            delivery.accept()
        assert sorted(found) == list(range(1, 12))
        slow.accept()


def test_headers_arrive_as_they_were_sent(mq: batonmq.Connection, queue: str) -> None:
    headers: dict[str, HeaderValue] = {"n": 2**40, "t": "ü", "b": b"\xff", "l": [1, {"x": b""}], "none": None}
    mq.send(queue, b"", id="m-1", headers=headers, content_type="text/plain", correlation_id="c", reply_to="r")
    with mq.receiver(queue) as receiver:
        (delivery,) = take(receiver, 1)
        message = delivery.message
        delivery.accept()
    assert message.headers == headers
    assert (message.id, message.content_type, message.correlation_id, message.reply_to) == (
        "m-1",
        "text/plain",
        "c",
        "r",
    )


def test_a_topic_that_cannot_take_dead_letters_is_refused(mq: batonmq.Connection, queue: str) -> None:
    with pytest.raises(batonmq.PreconditionFailed, match="Kafka would lose them"):
        mq.declare(f"{queue}-other", dead_letter=queue)
    with pytest.raises(batonmq.NotFound):
        mq.count(f"{queue}-other")


def test_what_was_confirmed_survives_kill_9_of_the_broker(tmp_path: Path) -> None:
    with wanted(Kafka(tmp_path)) as peer, batonmq.connect(f"{peer.url}?timeout=5") as mq:
        mq.declare("orders")
        confirmed = [b"%d" % number for number in range(20)]
        mq.send_many("orders", confirmed)
        with mq.receiver("orders", prefetch=5) as receiver:
            first, *held = take(receiver, 5)
            first.accept()
            peer.kill()
            with pytest.raises(batonmq.ConnectionLost, match="may or may not have arrived"):
                mq.send("orders", b"lost?")
            with pytest.raises(batonmq.ConnectionLost, match="is the broker running"):
                mq.count("orders")
            peer.start()
        assert len(held) == 4
        with mq.receiver("orders", prefetch=50) as receiver:
            found: set[bytes] = set()
            while not set(confirmed[1:]) <= found:
                for delivery in take(receiver, 1):
                    found.add(delivery.body)
                    delivery.accept()
