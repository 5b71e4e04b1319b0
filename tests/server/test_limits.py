"""Limits of users and virtual hosts, topic permissions, and virtual hosts that go, as clients of each protocol see."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from pamqp import commands as spec
from tests.support.amqp10_wire import Wire10
from tests.support.managed import ManagedServer, a_config
from tests.support.wire import Address, Wire, channel_error, connection_error

from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.server.user_edit import UserEdit

T = TypeVar("T")


class World:
    """A running server, its virtual host `shop`, and the user ann, who has all rights there."""

    def __init__(self, managed: ManagedServer) -> None:
        self.managed = managed
        self.opened: list[Callable[[], None]] = []

    def do(self, coroutine: Coroutine[object, object, T]) -> T:
        """On the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.managed.loop).result(30)

    def run(self, call: Callable[[], T]) -> T:
        async def run() -> T:
            return call()

        return self.do(run())

    def user(self, edit: Callable[[UserEdit], Any]) -> None:
        self.do(self.managed.server.users.change(edit))

    @property
    def shop(self) -> VirtualHost:
        return self.managed.server.broker.vhosts["shop"]

    def begin(self) -> None:
        def ann(edit: UserEdit) -> None:
            edit.put("ann", password="sesame")
            edit.set_permission("ann", "shop", ".*", ".*", ".*")

        self.run(lambda: self.managed.server.broker.create_vhost("shop"))
        self.user(ann)

    def end(self) -> None:
        self.leave()
        self.delete()
        self.user(lambda edit: edit.delete("ann"))

    def delete(self) -> None:
        """Delete the virtual host, and wait until nothing is left."""

        async def delete() -> None:
            broker = self.managed.server.broker
            if "shop" in broker.vhosts:
                gone = asyncio.Event()
                broker.delete_vhost("shop").when_done(gone.set)
                await gone.wait()

        self.do(delete())

    # ------------------------------------------------------------------ clients

    def amqp(self) -> Wire:
        wire = Wire(Address("127.0.0.1", self.managed.port, "ann", "sesame"), timeout=30)
        self.opened.append(wire.abort)
        return wire

    def amqp10(self) -> Wire10:
        wire = Wire10(Address("127.0.0.1", self.managed.port, "ann", "sesame"), timeout=30)
        self.opened.append(wire.close_socket)
        return wire

    def stomp(self) -> Stomp:
        stomp = Stomp(self.managed.ports["stomp"])
        self.opened.append(stomp.close)
        return stomp

    def leave(self) -> None:
        """All clients go, and the broker has noticed."""
        while self.opened:
            self.opened.pop()()
        self.alone()

    def alone(self) -> None:
        """Wait until nobody is connected."""

        async def wait() -> None:
            while len(self.managed.server.broker.clients):
                await asyncio.sleep(0.005)

        self.do(asyncio.wait_for(wait(), 30))


class Stomp:
    """As little of a client as will do."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def ask(self, command: str, **headers: str) -> tuple[str, str]:
        """Send a frame; tells command and body of the next that comes."""
        self.send(command, **headers)
        return self.read()

    def send(self, command: str, **headers: str) -> None:
        lines = [command, *(f"{name.replace('_', '-')}:{value}" for name, value in headers.items())]
        self.socket.sendall("\n".join(lines).encode() + b"\n\n\0")

    def read(self) -> tuple[str, str]:
        frame = b""
        while not frame.endswith(b"\0"):
            octet = self.file.read(1)
            assert octet, frame
            frame += octet if frame or octet != b"\n" else b""
        head, _, body = frame.rstrip(b"\0").decode().partition("\n\n")
        return head.partition("\n")[0], body.strip()

    def connect(self) -> tuple[str, str]:
        return self.ask("CONNECT", accept_version="1.2", host="shop", login="ann", passcode="sesame")

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    with ManagedServer(tmp_path_factory.mktemp("limits"), a_config()) as server:
        yield server


@pytest.fixture
def world(managed: ManagedServer) -> Iterator[World]:
    world = World(managed)
    world.begin()
    yield world
    world.end()
    world.alone()


# ---------------------------------------------------------------------- connections


@pytest.mark.parametrize("whose", ["user", "vhost"])
def test_connections_beyond_the_limit_are_refused(world: World, whose: str) -> None:
    if whose == "vhost":
        world.run(lambda: world.shop.set_limit("max-connections", 1))
        said = "access to vhost 'shop' refused for user 'ann': connection limit (1) is reached"
    else:
        world.user(lambda edit: edit.set_limit("ann", "max-connections", 1))
        said = "connection refused for user 'ann': user connection limit (1) is reached"
    first = world.amqp()
    first.open(vhost="shop")
    with connection_error(530, f"NOT_ALLOWED - {said}"):
        second = world.amqp()
        second.open(vhost="shop")
    assert world.stomp().connect() == ("ERROR", said)
    other = world.amqp10().enter()
    other.perform("open", container_id="c", hostname="vhost:shop")
    other.expect("open")
    assert other.error("close") == "amqp:resource-limit-exceeded"
    first.channel().queue("q")
    world.leave()
    stomp = world.stomp()
    assert stomp.connect()[0] == "CONNECTED"
    with connection_error(530):
        second = world.amqp()
        second.open(vhost="shop")
    world.leave()
    first = world.amqp()
    first.open(vhost="shop")


def test_a_limit_that_is_lifted(world: World) -> None:
    world.run(lambda: world.shop.set_limit("max-connections", 0))
    with connection_error(530):
        wire = world.amqp()
        wire.open(vhost="shop")
    world.run(lambda: world.shop.set_limit("max-connections", -1))
    wire = world.amqp()
    wire.open(vhost="shop")


# ---------------------------------------------------------------------- channels and queues


def test_channels_beyond_the_limit_of_a_user(world: World) -> None:
    world.user(lambda edit: edit.set_limit("ann", "max-channels", 2))
    first = world.amqp()
    second = world.amqp()
    first.open(vhost="shop")
    second.open(vhost="shop")
    first.channel(1).close()
    first.channel(1)
    second.channel(1)
    said = "NOT_ALLOWED - number of channels opened for user 'ann' has reached the maximum allowed user limit of (2)"
    with connection_error(530, said):
        first.channel(2)
    second.channel(2)
    stomp = world.stomp()
    assert stomp.connect()[0] == "ERROR"


def test_sessions_of_amqp_1_0_are_channels(world: World) -> None:
    world.user(lambda edit: edit.set_limit("ann", "max-channels", 1))
    wire = world.amqp10()
    wire.open(hostname="vhost:shop")
    wire.session(0)
    wire.perform("begin", 1, next_outgoing_id=0, incoming_window=1, outgoing_window=1)
    assert wire.error("close") == "amqp:resource-limit-exceeded"


def test_queues_beyond_the_limit(world: World) -> None:
    world.run(lambda: world.shop.set_limit("max-queues", 1))
    said = "cannot declare queue 'b': queue limit in vhost 'shop' (1) is reached"
    wire = world.amqp()
    stomp = world.stomp()
    wire.open(vhost="shop")
    wire.channel(1).queue("a")
    with channel_error(406, f"PRECONDITION_FAILED - {said}"):
        wire.channel(2).queue("b")
    wire.channel(3).queue("a")
    assert stomp.connect()[0] == "CONNECTED"
    assert stomp.ask("SUBSCRIBE", id="1", destination="/queue/b") == ("ERROR", f"PRECONDITION_FAILED - {said}")


# ---------------------------------------------------------------------- topics


def test_topics_that_a_user_may_write_and_read(world: World) -> None:
    world.user(lambda edit: edit.set_topic_permission("ann", "shop", "amq.topic", r"^{username}\.", r"^{vhost}\."))
    wire = world.amqp()
    wire.open(vhost="shop")
    channel = wire.channel(1)
    channel.select()
    channel.queue("q")
    channel.bind("q", "amq.topic", "shop.#")
    channel.publish("ann.x", exchange="amq.topic")
    channel.publish("anything", exchange="amq.direct")
    assert channel.confirmed() == {1: True, 2: True}
    refused = "refused for user 'ann'"
    with channel_error(
        403, f"ACCESS_REFUSED - write access to topic 'annx' in exchange 'amq.topic' in vhost 'shop' {refused}"
    ):
        channel.publish("annx", exchange="amq.topic")
        channel.barrier()
    with channel_error(403):
        copied = wire.channel(2)
        copied.publish("ann.x", exchange="amq.topic", properties=spec.Basic.Properties(headers={"CC": ["bob.x"]}))
        copied.barrier()
    with channel_error(
        403, f"ACCESS_REFUSED - read access to topic '#' in exchange 'amq.topic' in vhost 'shop' {refused}"
    ):
        wire.channel(3).bind("q", "amq.topic", "#")
    with channel_error(403):
        wire.channel(4).unbind("q", "amq.topic", "#")
    with channel_error(403):
        wire.channel(5).bind_exchange("amq.fanout", "amq.topic", "#")


def test_topic_permissions_of_stomp_and_amqp_1_0(world: World) -> None:
    world.user(lambda edit: edit.set_topic_permission("ann", "shop", "amq.topic", "^ann", "^ann"))
    stomp = world.stomp()
    assert stomp.connect()[0] == "CONNECTED"
    assert stomp.ask("SUBSCRIBE", id="1", destination="/topic/bob")[0] == "ERROR"
    stomp = world.stomp()
    assert stomp.connect()[0] == "CONNECTED"
    stomp.send("SUBSCRIBE", id="1", destination="/topic/ann.x")
    stomp.send("SEND", destination="/topic/ann.x")
    assert stomp.read()[0] == "MESSAGE"
    assert stomp.ask("SEND", destination="/topic/bob")[0] == "ERROR"
    wire = world.amqp10()
    wire.open(hostname="vhost:shop")
    session = wire.session()
    session.sender("/exchanges/amq.topic/ann.x")
    # Its messages say the key: there is nothing to refuse yet.
    session.sender("/exchange/amq.topic")


def test_a_change_of_topic_permissions_counts_for_the_next_message(world: World) -> None:
    wire = world.amqp()
    wire.open(vhost="shop")
    channel = wire.channel()
    channel.select()
    channel.publish("x", exchange="amq.topic")
    assert channel.confirmed() == {1: True}
    world.user(lambda edit: edit.set_topic_permission("ann", "shop", "amq.topic", "^y", ""))
    with channel_error(403):
        channel.publish("x", exchange="amq.topic")
        channel.barrier()


# ---------------------------------------------------------------------- a virtual host goes


def test_clients_of_a_deleted_virtual_host_are_told(world: World) -> None:
    amqp, amqp10, stomp = world.amqp(), world.amqp10(), world.stomp()
    amqp.open(vhost="shop")
    channel = amqp.channel()
    channel.queue("q", durable=True)
    amqp10.open(hostname="vhost:shop")
    assert stomp.connect()[0] == "CONNECTED"
    world.delete()
    with connection_error(320, "CONNECTION_FORCED - vhost 'shop' is deleted"):
        channel.barrier()
    assert amqp10.error("close") == "amqp:connection:forced"
    command, body = stomp.read()
    assert (command, "vhost 'shop' is deleted" in body) == ("ERROR", True)
    known = world.managed.server.users.find("ann")
    assert known is not None
    assert known.user.permissions == {}
    with connection_error(530, "NOT_ALLOWED - vhost shop not found"):
        wire = world.amqp()
        wire.open(vhost="shop")
    world.run(lambda: world.managed.server.broker.create_vhost("shop"))
    with connection_error(530):
        wire = world.amqp()
        wire.open(vhost="shop")
    world.user(lambda edit: edit.set_permission("ann", "shop", ".*", ".*", ".*"))
    wire = world.amqp()
    wire.open(vhost="shop")
    with channel_error(404):
        wire.channel().queue("q", passive=True)
