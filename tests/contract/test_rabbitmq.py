"""What only RabbitMQ has, or has otherwise, in the versions that the contract is tried on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

import batonmq
from batonmq.engines.amqp import link
from batonmq.engines.amqp10 import publisher, uplink
from batonmq.testing.contract import SOON, Place, bodies, needs, numbered, take
from tests.contract.conftest import ENGINES
from tests.engines.proxy import Proxy
from tests.support.waiting import until

# connection.blocked with the reason "low on memory", on channel 0 (AMQP 0-9-1, 4.2.3).
BLOCKED = b"\x01\0\0\0\0\0\x12\0\x0a\0\x3c\x0dlow on memory\xce"


@pytest.fixture(params=[name for name in ("rabbitmq", "rabbitmq4", "rabbitmq10") if name in ENGINES])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    found = Place(request.getfixturevalue(request.param), survives=True)
    yield found
    found.close()


@pytest.fixture
def amqp(place: Place) -> str:
    """Its URL for a client of AMQP 0-9-1."""
    return place.url.replace("amqp10:", "amqp:")


@pytest.fixture
def over_amqp(place: Place) -> None:
    """For a test of AMQP 0-9-1."""
    if place.url.startswith("amqp10:"):
        pytest.skip("AMQP 1.0 does it otherwise")


@pytest.fixture
def is_new(amqp: str) -> bool:
    """Is it RabbitMQ 4.3 or later?"""
    with closing(pika.BlockingConnection(pika.URLParameters(amqp))) as connection:
        version = connection._impl.server_properties["version"]
    return tuple(int(number) for number in version.split(".")[:2]) >= (4, 3)


@pytest.fixture
def channel(amqp: str) -> Iterator[BlockingChannel]:
    with closing(pika.BlockingConnection(pika.URLParameters(amqp))) as connection:
        yield connection.channel()


@pytest.fixture
def stream(place: Place, channel: BlockingChannel) -> str:
    name = place.queue()
    channel.queue_declare(name, durable=True, arguments={"x-queue-type": "stream"})
    return name


# ---------------------------------------------------------------------- streams


def test_a_stream_is_refused_and_nothing_else_suffers(mq: batonmq.Connection, queue: str, stream: str) -> None:
    mq.send(queue, b"held")
    with mq.receiver(queue) as receiver:
        (held,) = take(receiver, 1)
        mq.send(stream, b"event")
        for refused in (
            lambda: mq.receiver(stream).receive(wait=SOON),
            lambda: mq.purge(stream),
            lambda: mq.count(stream),
            lambda: mq.replay(stream, queue),
            lambda: mq.replay(stream, queue, max=1),
            lambda: mq._engine.pull(stream).get(),
        ):
            with pytest.raises(batonmq.UnsupportedFeature, match=f"'{stream}' is a stream of RabbitMQ"):
                refused()
        held.accept()
    assert mq.count(queue) == 0


def test_a_stream_whose_messages_rabbitmq_has_counted_is_refused_as_well(
    mq: batonmq.Connection, channel: BlockingChannel, stream: str
) -> None:
    mq.send(stream, b"event")
    until(lambda: channel.queue_declare(stream, passive=True).method.message_count)
    for ask in (mq.count, mq.stats):
        with pytest.raises(batonmq.UnsupportedFeature, match=f"'{stream}' is a stream of RabbitMQ"):
            ask(stream)


def test_a_queue_that_is_a_stream_is_not_declared_over(mq: batonmq.Connection, stream: str) -> None:
    with pytest.raises(batonmq.PreconditionFailed, match=f"^'{stream}' is there as a stream, which is no queue$"):
        mq.declare(stream)
    with pytest.raises(batonmq.PreconditionFailed, match="is there as a stream"):
        mq.declare(stream, max_deliveries=3)


@pytest.mark.usefixtures("over_amqp")
def test_another_type_of_queue_is_told_in_words(mq: batonmq.Connection, queue: str) -> None:
    with pytest.raises(batonmq.PreconditionFailed, match="as a classic queue, and a quorum queue was asked for"):
        mq.declare(queue, max_deliveries=3)


# ---------------------------------------------------------------------- priorities


def test_priorities_of_a_queue_that_counts_deliveries(place: Place, mq: batonmq.Connection, is_new: bool) -> None:
    queue = place.queue()
    if not is_new:
        with pytest.raises(batonmq.UnsupportedFeature, match="before version 4"):
            mq.declare(queue, max_priority=9, max_deliveries=3)
        return
    mq.declare(queue, max_priority=9, max_deliveries=3)
    mq.send(queue, b"none")
    for priority in (0, 3, 9, 4, 1):
        mq.send(queue, b"%d" % priority, priority=priority)
    mq.send(queue, batonmq.Message(b"none, with an id", id="m"))
    with mq.receiver(queue) as receiver:
        assert bodies(take(receiver, 7)) == [b"9", b"4", b"3", b"1", b"none", b"0", b"none, with an id"]
    with pytest.raises(batonmq.UnsupportedFeature, match="up to 31"):
        mq.declare(place.queue(), max_priority=32, max_deliveries=3)


@pytest.mark.usefixtures("over_amqp")
def test_what_moves_keeps_the_priority_that_it_did_not_have(
    place: Place, mq: batonmq.Connection, channel: BlockingChannel, queue: str
) -> None:
    channel.basic_publish("", queue, b"of another client")
    target = place.queue()
    mq.declare(target)
    while not mq.replay(queue, target):
        pass
    found, body = None, b""
    while found is None:
        _, found, body = channel.basic_get(target, auto_ack=True)
    assert (found.priority, body) == (None, b"of another client")


# ---------------------------------------------------------------------- what is held for too long


def test_what_is_held_for_too_long_comes_again_and_the_receiver_goes_on(
    place: Place, mq: batonmq.Connection, channel: BlockingChannel, is_new: bool
) -> None:
    if not is_new:
        pytest.skip("before 3.12 the time is set for the whole broker, 30 minutes")
    queue = place.queue()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum", "x-consumer-timeout": 1500})
    mq.send_many(queue, numbered(3))
    with mq.receiver(queue, prefetch=1) as receiver:
        (late,) = take(receiver, 1)
        if not place.url.startswith("amqp:"):
            # Its link gets nothing more before it has settled. Another one does, and RabbitMQ 4.3 marks it like what
            # was given back unseen: delivery-count 0, x-acquired-count 1.
            with mq.receiver(queue) as other:
                for body in (b"1", b"2", b"0"):
                    (delivery,) = take(other, 1)
                    assert (delivery.body, delivery.redelivered) == (body, False)
                    delivery.accept()
            with pytest.raises(batonmq.LeaseLost):
                late.accept()
            mq.send(queue, b"after")
            (after,) = take(receiver, 1)
            after.accept()
            return
        (again,) = take(receiver, 1)
        assert (again.body, again.redelivered) == (late.body, True)
        with pytest.raises(batonmq.LeaseLost):
            late.accept()
        again.accept()
        for number in (1, 2):
            (delivery,) = take(receiver, 1)
            assert delivery.body == b"%d" % number
            delivery.accept()
    assert mq.count(queue) == 0


# ---------------------------------------------------------------------- what is too large


def test_a_message_that_is_too_large_is_refused(mq: batonmq.Connection, queue: str, is_new: bool) -> None:
    if not is_new:
        pytest.skip("version 3.10 takes 128 MiB")
    large = bytes((16 << 20) + 1)
    with pytest.raises(batonmq.ResourceError, match="16777216"):
        mq.send(queue, large)
    with pytest.raises(batonmq.ResourceError, match="16777216"):
        mq.request(queue, large, timeout=SOON)
    mq.send(queue, b"after")
    assert mq.count(queue) == 1


@pytest.mark.usefixtures("over_amqp")
def test_a_message_that_is_too_large_is_refused_alone(place: Place, queue: str, is_new: bool) -> None:
    if not is_new:
        pytest.skip("version 3.10 takes 128 MiB")
    large = bytes((16 << 20) + 1)
    mq = place.connect()
    told: list[batonmq.BatonError] = []
    sent = 0

    def send() -> None:
        nonlocal sent
        while not told:
            try:
                mq.send(queue, b"small")
                sent += 1
            except batonmq.BatonError as error:
                told.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    while not told:
        with pytest.raises(batonmq.ResourceError, match="larger than configured max size 16777216"):
            mq.send(queue, large)
    thread.join()
    # It may have arrived, or not.
    assert type(told[0]) is batonmq.ConnectionLost
    assert mq.count(queue) in (sent, sent + 1)


# ---------------------------------------------------------------------- a broker that takes nothing


@pytest.fixture
def proxy(place: Place) -> Iterator[Proxy]:
    with closing(Proxy(urlsplit(place.url).port or 5672)) as proxy:
        yield proxy


@pytest.mark.usefixtures("over_amqp")
def test_while_memory_is_low_a_sender_is_told_in_time(mq: batonmq.Connection, queue: str, proxy: Proxy) -> None:
    url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/?blocked_connection_timeout=0.2"
    with batonmq.connect(url) as away:
        away.send(queue, b"before")
        proxy.hold(BLOCKED)
        with pytest.raises(batonmq.ConnectionLost, match="takes no messages: low on memory"):
            away.send(queue, b"blocked")
        # On a connection of its own, as the proxy holds back only what was there.
        proxy.cut()
        away.send(queue, b"after")
    with mq.receiver(queue) as receiver:
        found = bodies(take(receiver, 2))
        assert (found[0], b"after" in found or bodies(take(receiver, 1)) == [b"after"]) == (b"before", True)


@pytest.mark.usefixtures("over_amqp")
def test_a_broker_that_does_not_listen_does_not_keep_a_program_from_closing(
    place: Place, queue: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "GOODBYE", 0.6)
    others = set(threading.enumerate())
    for told in (BLOCKED, b""):
        mq = batonmq.connect(f"amqp://guest:guest@127.0.0.1:{proxy.port}/")
        mq.send(queue, b"before")
        proxy.hold(told)
        began = time.monotonic()
        mq.close()
        assert time.monotonic() - began < SOON
        until(lambda: not [one for one in set(threading.enumerate()) - others if one.name == "batonmq-amqp"])
        proxy.cut()


def test_who_does_not_answer_is_given_up_over_amqp_1_0(
    place: Place, queue: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not place.url.startswith("amqp10:"):
        pytest.skip("AMQP 0-9-1 does it otherwise")
    monkeypatch.setattr(publisher, "NO_CREDIT_SECONDS", 0.5)
    with batonmq.connect(f"amqp10://guest:guest@127.0.0.1:{proxy.port}/") as away:
        while True:
            try:
                away.send(queue, b"before")
            except batonmq.ConnectionLost:
                continue  # a busy machine took longer for it
            break
        monkeypatch.setattr(uplink, "ANSWER_SECONDS", 0.5)
        proxy.hold()
        with pytest.raises(batonmq.ConnectionLost, match="has taken no message"):
            away.send(queue, b"blocked")
        for ask in (lambda: away.send(queue, b"blocked"), lambda: away.count(queue)):
            with pytest.raises(batonmq.ConnectionLost, match="has not answered"):
                ask()
            proxy.cut()
            while True:
                try:
                    away.count(queue)
                except batonmq.ConnectionLost:
                    continue
                break
            proxy.hold()
        proxy.cut()


def test_a_classic_queue_gets_a_message_back_when_its_delay_is_over(
    place: Place, mq: batonmq.Connection, channel: BlockingChannel
) -> None:
    needs(mq, "release_delay")
    queue = place.queue()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
    mq.send(queue, b"order")
    with mq.receiver(queue) as receiver:
        (first,) = take(receiver, 1)
        began = time.monotonic()
        first.release(delay=0.3)
        (again,) = take(receiver, 1)
        assert time.monotonic() - began >= 0.29
        assert (again.delivery_count, again.redelivered) == (2, True)
        again.release(delay=3600)
    with mq.receiver(queue) as receiver:
        assert take(receiver, 1)[0].redelivered
