"""Connections over AMQP 1.0 to the broker under test, and nodes on it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlsplit

import pytest
from pamqp import commands as spec

from tests.support.amqp10_wire import Link10, Session10, Wire10
from tests.support.wire import Address, Wire

FOREIGN = "BATONMQ_TEST_AMQP10"

Connect10 = Callable[..., Wire10]


@pytest.fixture(scope="session")
def amqp10(request: pytest.FixtureRequest) -> Address:
    """Where the broker under test listens: BatonMQ as a process, or the one that BATONMQ_TEST_AMQP10 names."""
    if url := os.environ.get(FOREIGN):
        parts = urlsplit(url)
        user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        return Address(parts.hostname or "127.0.0.1", parts.port or 5672, user, password, foreign=True)
    broker = request.getfixturevalue("batonmq_process")
    address: Address = broker.address
    return address


@pytest.fixture(scope="session")
def product(amqp10: Address) -> str:
    """What the broker under test calls itself; ours gives the name that clients of RabbitMQ look for."""
    if not amqp10.foreign:
        return "BatonMQ"
    wire = Wire10(amqp10).open()
    assert wire.remote is not None
    properties = wire.remote["properties"]
    wire.close_socket()
    return str(properties.get("product", "")) if isinstance(properties, dict) else ""


@pytest.fixture
def connect10(amqp10: Address) -> Iterator[Connect10]:
    """Connects to the broker under test; the sockets are closed in the end."""
    wires: list[Wire10] = []

    def connect(*, opened: bool = True, to: Address = amqp10, **fields: object) -> Wire10:
        wires.append(Wire10(to))
        return wires[-1].open(**fields) if opened else wires[-1]

    yield connect
    for wire in wires:
        wire.close_socket()


@pytest.fixture
def wire10(connect10: Connect10) -> Wire10:
    return connect10()


@pytest.fixture
def session(wire10: Wire10) -> Session10:
    return wire10.session()


@pytest.fixture
def other(connect10: Connect10) -> Session10:
    """A session of a second connection."""
    return connect10().session()


@pytest.fixture
def queue(amqp10: Address, product: str, name: str) -> Iterator[str]:
    """The address of a queue that nobody else uses. RabbitMQ's have to be declared; others make them when asked for."""
    if product != "RabbitMQ":
        yield name
        return
    wire = Wire(amqp10).open()
    channel = wire.channel()
    channel.queue(name, durable=True)
    yield f"/queues/{name}"
    channel.call(spec.Queue.Delete(0, name))
    with contextlib.suppress(Exception):
        wire.close()


@pytest.fixture
def sender(session: Session10, queue: str) -> Link10:
    return session.sender(queue)


@pytest.fixture
def receiver(session: Session10, sender: Link10, queue: str) -> Link10:
    """A link without credit; the queue is there."""
    del sender
    return session.receiver(queue)
