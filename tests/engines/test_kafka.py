"""Queues in a real Kafka: what is particular to share groups, and what comes back after kill -9."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import AcknowledgeType, Message as Record

import batonmq
from batonmq.engines.kafka.crew import AHEAD
from batonmq.engines.kafka.engine import KafkaEngine
from batonmq.engines.kafka.hand import FAREWELL, Hand, Place
from batonmq.engines.kafka.parameters import kafka_parameters
from batonmq.engines.messages import HeaderValue
from batonmq.engines.values import QueueOptions
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


class Noting:
    """Owns a consumer, and notes what it tells."""

    def __init__(self) -> None:
        self.has_looked = threading.Event()
        self.places: list[Place] = []

    def arrived(self, _hand: Hand, records: Mapping[Place, Record], _since: float) -> None:
        self.places += records

    def looked(self, _hand: Hand) -> None:
        self.has_looked.set()

    def rested(self, _hand: Hand) -> None:
        pass

    def refused(self, _hand: Hand, error: batonmq.BatonError) -> None:
        raise error

    def failed(self, _hand: Hand, error: Exception) -> None:
        raise error


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.02)


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


def test_who_began_with_one_message_gets_many_together(mq: batonmq.Connection, queue: str) -> None:
    mq.send(queue, b"one")
    with mq.receiver(queue, prefetch=100) as receiver:
        take(receiver, 1)[0].accept()
        most = 0
        end = time.monotonic() + SOON
        while most <= AHEAD:
            assert time.monotonic() < end, f"never more than {most} at once"
            mq.send_many(queue, [b"many"] * 100)
            left = 100
            while left:
                deliveries = receiver.receive(left, wait=SOON)
                assert deliveries
                for delivery in deliveries:
                    delivery.accept()
                most = max(most, len(deliveries))
                left -= len(deliveries)
        assert mq.count(queue) == 0


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


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("a name", {}, "cannot be topic 'a name'"),
        ("n" * 250, {}, "no more than 249"),
        ("t-few", {"max_deliveries": 1}, "max_deliveries is 1, and the brokers allow 2 to 10"),
        ("t-many", {"max_deliveries": 11}, "max_deliveries is 11, and the brokers allow 2 to 10"),
        ("t-dead", {"dead_letter": "a name"}, "cannot be topic 'dlq.batonmq.a name'"),
    ],
)
def test_what_kafka_cannot_have_is_told_before_anything_is_made(
    mq: batonmq.Connection, name: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(batonmq.PreconditionFailed, match=said):
        mq.declare(name, **options)
    # By `batonmq move`, too.
    engine = KafkaEngine(running("BATONMQ_TEST_KAFKA"))
    try:
        with pytest.raises(batonmq.PreconditionFailed, match=said):
            engine.check_declare(name, QueueOptions(**options))
    finally:
        engine.close()


def test_a_topic_that_cannot_take_dead_letters_is_refused(mq: batonmq.Connection, queue: str) -> None:
    with pytest.raises(batonmq.PreconditionFailed, match="Kafka would lose them"):
        mq.declare(f"{queue}-other", dead_letter=queue)
    with pytest.raises(batonmq.NotFound):
        mq.count(f"{queue}-other")


def test_a_queue_that_is_deleted_twice_takes_no_other_with_it(mq: batonmq.Connection, queue: str) -> None:
    dead = f"dlq.{queue}"
    mq.declare(f"{queue}-work", dead_letter=dead)
    try:
        mq.send(dead, b"kept")
        mq.delete(queue)
        mq.delete(queue)
        with pytest.raises(batonmq.NotFound):
            mq.send(queue, b"not among the dead letters")
        assert mq.count(dead) == 1
    finally:
        mq.delete(f"{queue}-work")
        mq.delete(dead)


def test_dead_letters_have_the_name_that_was_declared(mq: batonmq.Connection, queue: str) -> None:
    dead = f"{queue}-dead"
    mq.declare(f"{queue}-work", dead_letter=dead)
    try:
        mq.send(f"{queue}-work", b"1")
        with mq.receiver(f"{queue}-work") as receiver:
            (delivery,) = take(receiver, 1)
            delivery.reject()
        with mq.receiver(dead) as receiver:
            (letter,) = take(receiver, 1)
            letter.accept()
        with pytest.raises(batonmq.PreconditionFailed, match=f"is the queue '{dead}'"):
            mq.count(f"dlq.batonmq.{dead}")
    finally:
        mq.delete(f"{queue}-work")
        mq.delete(dead)


@pytest.mark.parametrize("time", range(3))
def test_a_consumer_that_retires_loses_no_settlement(mq: batonmq.Connection, queue: str, time: int) -> None:
    owner = Noting()
    hand = Hand(kafka_parameters(running("BATONMQ_TEST_KAFKA")).client(), queue, 1, owner)
    try:
        hand.fetch()
        assert owner.has_looked.wait(SOON)
        mq.send(queue, b"%d" % time)
        hand.retire()
        # Either it takes the message, and is responsible for it, or it leaves and takes nothing.
        wait_until(lambda: bool(owner.places) or hand.state == "ended")
        for place in owner.places:
            assert hand.settle(place, AcknowledgeType.ACCEPT)
    finally:
        hand.end()
        assert hand.join(FAREWELL)
    wait_until(lambda: mq.count(queue) == (0 if owner.places else 1))


def test_what_is_settled_too_late_for_its_consumer_is_told(mq: batonmq.Connection, queue: str) -> None:
    owner = Noting()
    hand = Hand(kafka_parameters(running("BATONMQ_TEST_KAFKA")).client(), queue, 1, owner)
    mq.send(queue, b"1")
    hand.fetch()
    wait_until(lambda: bool(owner.places))
    hand.end()
    assert hand.join(FAREWELL)
    assert not hand.settle(owner.places[0], AcknowledgeType.ACCEPT)
    with mq.receiver(queue) as receiver:
        (delivery,) = take(receiver, 1)
        assert delivery.redelivered
        delivery.accept()


def test_what_is_accepted_just_before_the_end_is_accepted(mq: batonmq.Connection, queue: str) -> None:
    for _ in range(5):
        mq.send_many(queue, [b"1", b"2"])
        with mq.receiver(queue) as receiver:
            for delivery in take(receiver, 2):
                delivery.accept()
        assert mq.count(queue) == 0


def test_what_was_confirmed_survives_kill_9_of_the_broker(tmp_path: Path) -> None:
    with wanted(Kafka(tmp_path)) as peer, batonmq.connect(f"{peer.url}?timeout=5") as mq:
        mq.declare("orders")
        confirmed = [b"%d" % number for number in range(20)]
        mq.send_many("orders", confirmed)
        with mq.receiver("orders", prefetch=5) as receiver:
            first, *held = take(receiver, 5)
            first.accept()
            peer.kill()
            with pytest.raises(batonmq.ConnectionLost, match=r"may or may not have arrived|is the broker running"):
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
