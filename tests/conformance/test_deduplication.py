"""De-duplication through AMQP 0-9-1: x-deduplication-window and -size of queues, x-deduplication-header of messages."""

from __future__ import annotations

import pytest
from pamqp import commands as spec

from tests.conformance.conftest import Again
from tests.support.broker import Broker
from tests.support.codec import typed
from tests.support.marks import differs_from
from tests.support.wire import Channel, channel_error

pytestmark = differs_from("rabbitmq", why="it has no de-duplication of its own")

KEY = "x-deduplication-header"
WINDOW = {"x-deduplication-window": 3_600_000}


def test_a_duplicate_is_dropped_and_confirmed(ch: Channel, name: str) -> None:
    ch.queue(name, WINDOW, durable=True)  # type: ignore[arg-type]
    ch.select()
    for body in (b"first", b"second", b"third"):
        ch.publish(name, body, delivery_mode=2, headers={KEY: "k"})
    ch.publish(name, b"other", delivery_mode=2, headers={KEY: "l"})
    assert ch.confirmed() == {1: True, 2: True, 3: True, 4: True}
    assert ch.drain(name) == [b"first", b"other"]


def test_it_is_dropped_when_the_first_is_settled(ch: Channel, name: str) -> None:
    ch.queue(name, WINDOW)  # type: ignore[arg-type]
    ch.publish(name, headers={KEY: "k"})
    ch.ack(ch.await_one(name, no_ack=False).tag)
    ch.publish(name, headers={KEY: "k"})
    ch.barrier()
    assert ch.count(name) == 0


def test_the_window_ends(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-deduplication-window": 100})
    ch.publish(name, headers={KEY: "k"})
    ch.barrier()
    count = 1
    while count == 1:
        ch.publish(name, headers={KEY: "k"})
        ch.barrier()
        count = ch.count(name)
    assert count == 2


def test_only_so_many_are_known(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-deduplication-size": 2})
    for key in ("a", "b", "c", "c", "b", "a"):
        ch.publish(name, key.encode(), headers={KEY: key})
    ch.barrier()
    assert ch.drain(name) == [b"a", b"b", b"c", b"a"]


def test_a_queue_that_was_not_asked_to_takes_all(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.queue(name + "-once", WINDOW)  # type: ignore[arg-type]
    ch.exchange(name, "fanout")
    ch.bind(name, name)
    ch.bind(name + "-once", name)
    for _ in range(2):
        ch.publish("", exchange=name, headers={KEY: "k"})
    ch.barrier()
    assert (ch.count(name), ch.count(name + "-once")) == (2, 1)


@pytest.mark.parametrize("value", [typed("d", 1.5), typed("t", True), [1], {"a": 1}])
def test_what_is_no_key_closes_the_channel(ch: Channel, name: str, value: object) -> None:
    with channel_error(406):
        ch.publish(name, headers={KEY: value})
        ch.barrier()


@pytest.mark.parametrize("argument", ["x-deduplication-window", "x-deduplication-size"])
@pytest.mark.parametrize("value", [0, -1, "1"])
def test_arguments_that_mean_nothing_are_refused(ch: Channel, name: str, argument: str, value: int) -> None:
    with channel_error(406):
        ch.queue(name, {argument: value})


def test_keys_survive(first: Channel, again: Again, name: str) -> None:
    first.queue(name, WINDOW, durable=True)  # type: ignore[arg-type]
    first.select()
    first.publish(name, b"first", delivery_mode=2, headers={KEY: "k"})
    first.confirmed()
    first.get_one(name, no_ack=True)
    ch = again()
    ch.select()
    ch.publish(name, b"second", delivery_mode=2, headers={KEY: "k"})
    ch.publish(name, b"other", delivery_mode=2, headers={KEY: "l"})
    assert ch.confirmed() == {1: True, 2: True}
    assert b"second" not in ch.drain(name)


def test_sent_again_after_a_kill_each_is_there_once(own_broker: Broker, enter: Again, name: str) -> None:
    """A producer that does not know what was confirmed sends everything again, and nothing is lost or doubled."""
    count = 2_000
    ch = enter()
    ch.queue(name, WINDOW, durable=True)  # type: ignore[arg-type]
    ch.select()
    for number in range(count):
        ch.publish(name, b"%d" % number, delivery_mode=2, headers={KEY: number})
    confirmed = 0
    while confirmed < count // 4:
        confirmed = int(ch.take(spec.Basic.Ack).delivery_tag or 0)
    own_broker.kill()
    own_broker.start()
    ch = enter()
    ch.select()
    for number in range(count):
        ch.publish(name, b"%d" % number, delivery_mode=2, headers={KEY: number})
    assert all(ch.confirmed().values())
    assert list(map(int, ch.drain(name))) == list(range(count))
