"""What threads of a process share, beside a broker that takes its time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("django")

from batonmq.contrib.django import connections
from batonmq.contrib.django.options import BackendOptions
from batonmq.errors import ConnectionLost


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    connections.close_connections()


@pytest.fixture
def broker() -> Iterator[socket.socket]:
    """Whoever connects to it is accepted by the test, and told nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        yield listening


def options_of(broker: socket.socket) -> BackendOptions:
    return BackendOptions(url=f"amqp://guest:guest@127.0.0.1:{broker.getsockname()[1]}/")


@contextmanager
def connecting(broker: socket.socket) -> Iterator[threading.Thread]:
    """A thread that waits for the broker's first word, until the block ends."""
    errors: list[ConnectionLost] = []

    def connect() -> None:
        try:
            connections.connection_to(options_of(broker))
        except ConnectionLost as error:
            errors.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    client, _ = broker.accept()
    with client:
        yield thread
    thread.join(60)
    assert len(errors) == 1


def test_a_broker_that_says_nothing_holds_up_nobody_who_goes_elsewhere(broker: socket.socket, tmp_path: Path) -> None:
    with connecting(broker) as thread:
        mq = connections.connection_to(BackendOptions(url=tmp_path / "tasks.db"), "tasks.default")
        assert mq.count("tasks.default") == 0
        assert connections.connection_to(BackendOptions(url=tmp_path / "tasks.db")) is mq
        assert thread.is_alive()


def test_while_one_tries_again_others_are_told_that_the_broker_was_away(
    broker: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connecting(broker):
        pass
    with pytest.raises(ConnectionLost):
        connections.connection_to(options_of(broker))
    monkeypatch.setattr(connections, "AWAY_SECONDS", 0.0)
    with connecting(broker) as thread:
        with pytest.raises(ConnectionLost):
            connections.connection_to(options_of(broker))
        assert thread.is_alive()


def test_those_who_come_together_share_one_connection(tmp_path: Path) -> None:
    options = BackendOptions(url=tmp_path / "tasks.db")
    met = threading.Barrier(4)
    found = []

    def connect() -> None:
        met.wait(60)
        found.append(connections.connection_to(options, "tasks.default"))

    threads = [threading.Thread(target=connect) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def test_a_connection_that_was_closed_is_opened_again(tmp_path: Path) -> None:
    options = BackendOptions(url=tmp_path / "tasks.db")
    first = connections.connection_to(options, "tasks.default")
    connections.close_connections()
    again = connections.connection_to(options, "tasks.default")
    assert again is not first
    assert again.count("tasks.default") == 0
