"""What the tests with clients of AMQP 1.0 share: the broker, a queue of its own for each, and a way that can be cut."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from pamqp import commands as spec

from tests.conftest import sweep
from tests.interop.amqp10.peer import Peer
from tests.interop.amqp10.relay import Relay
from tests.support.broker import Broker
from tests.support.wire import Address, Wire

FOREIGN = "BATONMQ_TEST_AMQP10"


@pytest.fixture(scope="session")
def peer(request: pytest.FixtureRequest) -> Peer:
    """BatonMQ in a process of its own, or the broker that BATONMQ_TEST_AMQP10 names."""
    if url := os.environ.get(FOREIGN):
        return Peer.named(url)
    broker: Broker = request.getfixturevalue("batonmq_process")
    return Peer("batonmq", broker.address.host, broker.address.port)


@pytest.fixture
def relay(peer: Peer) -> Iterator[Relay]:
    with Relay(peer.host, peer.port) as relay:
        yield relay


@pytest.fixture
def classic(peer: Peer) -> Address:
    """The same broker for clients of AMQP 0-9-1."""
    if not peer.has_amqp091:
        pytest.skip(f"{peer.kind} does not speak AMQP 0-9-1")
    return Address(peer.host, peer.port, peer.user, peer.password)


@pytest.fixture
def queue(peer: Peer, name: str) -> Iterator[str]:
    """The name of a queue that is deleted in the end. BatonMQ makes it when the first link asks for it."""
    if not peer.has_amqp091:
        _make_queue(peer, name)
        yield name
        return
    address = Address(peer.host, peer.port, peer.user, peer.password)
    if peer.kind == "rabbitmq":
        wire = Wire(address).open()
        wire.channel().call(spec.Queue.Declare(0, name, durable=True))
        wire.close()
    yield name
    sweep(address, {("queue", name)})


def _make_queue(peer: Peer, name: str) -> None:
    """Artemis takes a bare name for a topic, unless the first link to it says otherwise."""
    from tests.interop.amqp10.proton_client import Capability, Client

    with Client(peer) as client:
        client.sender(name, options=Capability("queue"))


@pytest.fixture
def node(peer: Peer, queue: str) -> str:
    """The address of `queue`."""
    return peer.address(queue)


@pytest.fixture(autouse=True)
def _only(request: pytest.FixtureRequest) -> None:
    """`@pytest.mark.only("batonmq")`: what the brokers named do, and others need not."""
    marker = request.node.get_closest_marker("only")
    if marker is not None and request.getfixturevalue("peer").kind not in marker.args:
        pytest.skip(f"only of {', '.join(marker.args)}")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only(*brokers): what these brokers do and others need not")
