"""Users and rights that change while their clients are connected: what RabbitMQ 4 does, over real sockets."""

from __future__ import annotations

import dataclasses
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.broker import Broker
from tests.support.wire import Channel, Closed, Wire, channel_error, connection_error

from batonmq.server.passwords import hash_password
from batonmq.server.users import EVERYTHING, PermissionEntry, UserEntry, UserFile

NOTHING = PermissionEntry()
HASH = hash_password("sesame")
OTHER_HASH = hash_password("other")


class Users:
    """What `batonmq users` does, and the broker's noticing it by itself."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.file = UserFile(Path(broker.folder) / "data")
        self.changes = 0

    def set(self, permission: PermissionEntry | None, password_hash: str = HASH) -> None:
        with self.file.change() as users:
            users["ann"] = UserEntry(password_hash, (), {} if permission is None else {"/": permission})
        self._noticed()

    def delete(self) -> None:
        with self.file.change() as users:
            del users["ann"]
        self._noticed()

    def _noticed(self) -> None:
        self.changes += 1
        deadline = time.monotonic() + 30
        while self.broker.output().count("has changed and was read again") < self.changes:
            assert time.monotonic() < deadline, self.broker.output()
            time.sleep(0.01)


@pytest.fixture
def users(own_broker: Broker) -> Users:
    users = Users(own_broker)
    users.set(EVERYTHING)
    return users


@pytest.fixture
def log_in(users: Users) -> Iterator[Callable[..., Wire]]:
    wires: list[Wire] = []

    def log_in(password: str = "sesame") -> Wire:
        wires.append(Wire(dataclasses.replace(users.broker.address, user="ann", password=password)))
        return wires[-1].open()

    yield log_in
    for wire in wires:
        wire.abort()


def publish(ch: Channel) -> None:
    ch.publish("q")
    ch.barrier()


DOINGS: dict[str, tuple[str, Callable[[Channel], object]]] = {
    "publish": ("write access to exchange 'amq.default'", publish),
    "declare": ("configure access to queue 'q'", lambda ch: ch.queue("q")),
    "get": ("read access to queue 'q'", lambda ch: ch.get("q")),
    "consume": ("read access to queue 'q'", lambda ch: ch.consume("q")),
    "bind": ("write access to queue 'q'", lambda ch: ch.bind("q", "amq.topic", "k")),
    "delete": ("configure access to queue 'q'", lambda ch: ch.delete("q")),
}


@pytest.mark.parametrize("change", ["fewer rights", "no entry any more"])
def test_an_open_connection_goes_by_the_rights_of_now(users: Users, log_in: Callable[..., Wire], change: str) -> None:
    wire = log_in()
    ch = wire.channel()
    ch.queue("q")
    # One that publishes over and over, and so need not look again at where its messages go.
    warm = [wire.channel(number + 2) for number in range(len(DOINGS))]
    for channel in warm:
        channel.publish("q")
        channel.publish("q")
        channel.barrier()
    ch.qos(1)
    ch.consume("q", "running")
    held = ch.message()
    users.set(NOTHING if change == "fewer rights" else None)
    for channel, (missing, doing) in zip(warm, DOINGS.values(), strict=True):
        said = f"ACCESS_REFUSED - {missing} in vhost '/' refused for user 'ann'"
        with channel_error(403, said):
            doing(channel)
    # A consumer that is there goes on, and may settle.
    ch.ack(held.tag)
    ch.message()
    users.set(EVERYTHING)
    again = wire.channel(20)
    again.publish("q")
    again.queue("q")


def test_a_new_password_is_for_later_log_ins(users: Users, log_in: Callable[..., Wire]) -> None:
    ch = log_in().channel()
    users.set(EVERYTHING, OTHER_HASH)
    ch.queue("q")
    ch.publish("q")
    ch.barrier()
    with pytest.raises(Closed):
        log_in("sesame")
    log_in("other")


def test_the_connections_of_a_user_who_is_deleted_are_closed(users: Users, log_in: Callable[..., Wire]) -> None:
    ch = log_in().channel()
    ch.queue("q")
    ch.publish("q")
    ch.consume("q")
    ch.message()
    bystander = Wire(users.broker.address).open().channel()
    users.delete()
    with connection_error(320, "CONNECTION_FORCED - user 'ann' is deleted"):
        ch.next()
    # What it held is there for others.
    assert bystander.await_one("q").redelivered
    bystander.wire.abort()


def stomp(users: Users) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", users.broker.address.port), timeout=30)
    connection.sendall(b"CONNECT\naccept-version:1.2\nhost:/\nlogin:ann\npasscode:sesame\n\n\0")
    assert until_nul(connection).startswith(b"CONNECTED")
    return connection


def until_nul(connection: socket.socket) -> bytes:
    data = b""
    while b"\0" not in data:
        more = connection.recv(4096)
        assert more, data
        data += more
    return data.lstrip(b"\n")


def test_stomp_goes_by_the_rights_of_now(users: Users) -> None:
    with stomp(users) as connection:
        send = b"SEND\ndestination:/queue/s\nreceipt:1\n\nx\0"
        connection.sendall(send)
        assert until_nul(connection).startswith(b"RECEIPT")
        users.set(NOTHING)
        connection.sendall(send)
        answer = until_nul(connection)
    assert answer.startswith(b"ERROR")
    assert b"refused for user 'ann'" in answer


def test_stomp_is_told_that_its_user_is_deleted(users: Users) -> None:
    with stomp(users) as connection:
        users.delete()
        answer = until_nul(connection)
    assert answer.startswith(b"ERROR")
    assert b"user 'ann' is deleted" in answer
