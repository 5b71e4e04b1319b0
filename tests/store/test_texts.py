"""Names and keys that are not UTF-8 are kept as the bytes that they are, and hold up nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven

from batonmq import points
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.store.texts import from_file, to_file

NAMES = [b"plain", "grün".encode(), b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"a\0b", b""]
PERSISTENT = Properties.make(delivery_mode=2)


def name_of(data: bytes) -> str:
    """As a protocol decodes it."""
    return data.decode(errors="surrogateescape")


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    return Driven(tmp_path / "store.db")


@pytest.mark.parametrize("data", NAMES)
def test_a_name_comes_back(data: bytes) -> None:
    assert from_file(to_file(name_of(data))) == name_of(data)


def test_half_a_pair_of_surrogates_fails_nothing() -> None:
    assert from_file(to_file("a\ud800")) == "a?"


@pytest.mark.parametrize("data", NAMES)
def test_a_persistent_message_with_such_a_key_survives(driven: Driven, data: bytes) -> None:
    queue = driven.queue()
    driven.operations.bind_queue("q", "amq.topic", "#", {})
    queue.publish(Message("amq.topic", name_of(data), PERSISTENT, b"m"))
    driven.settle()
    driven.crash()
    queued = driven.operations.find_queue("q").get()
    assert queued is not None
    assert (queued.message.routing_key, queued.message.body) == (name_of(data), b"m")


@pytest.mark.parametrize("data", [data for data in NAMES if data])
def test_durable_queues_exchanges_and_bindings_of_such_names_survive(driven: Driven, data: bytes) -> None:
    name = name_of(data)
    driven.queue(name)
    driven.operations.declare_exchange(name, "topic", durable=True)
    driven.operations.bind_queue(name, name, name, {})
    driven.publish("m", queue=name)
    driven.settle()
    driven.crash()
    exchange = driven.operations.find_exchange(name)
    assert driven.operations.vhost.router.route(exchange, [name], {}) == [driven.operations.find_queue(name)]
    assert driven.bodies(name) == ["m"]
    driven.operations.delete_queue(name)
    driven.operations.delete_exchange(name)
    driven.settle()
    driven.crash()
    assert name not in driven.operations.vhost.queues
    assert name not in driven.operations.vhost.router.exchanges


def test_a_batch_that_cannot_be_written_is_refused_and_the_next_one_is_kept(driven: Driven) -> None:
    driven.queue()
    driven.settle()
    driven.publish("lost")

    def broken() -> None:
        raise KeyError("a fault of ours")

    points.arm("stage.rows", broken)
    try:
        driven.attempt()
    finally:
        points.disarm()
    assert driven.broker.store.error is not None
    driven.attempt()
    driven.publish("kept")
    driven.settle()
    driven.crash()
    assert driven.bodies() == ["kept"]
