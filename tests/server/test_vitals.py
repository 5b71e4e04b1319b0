"""What the server notes of its own work: each turn, commit and handshake once."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path

import pika
from tests.server.echo import EchoBroker, EchoStore, until
from tests.support.certificates import Certificates

from batonmq.errors import StoreError
from batonmq.server.broker_server import Server
from batonmq.server.committer import Committer
from batonmq.server.config import Config, ListenerConfig, ServerConfig, StompConfig, WebSocketConfig
from batonmq.server.extensions import Parts
from batonmq.server.listeners import Endpoint
from batonmq.server.vitals import Histogram, Vitals

Run = Callable[[Coroutine[object, object, None]], None]


def test_a_value_counts_in_the_bucket_of_the_first_bound_that_is_no_smaller() -> None:
    histogram = Histogram((1.0, 2.0))
    assert histogram.count == 0
    for value in (0.0, 1.0, 1.5, 2.0, 3.0):
        histogram.note(value)
    assert histogram.buckets() == [(1.0, 2), (2.0, 4), (float("inf"), 5)]
    assert (histogram.total, histogram.count) == (7.5, 5)


def test_each_commit_is_noted_with_its_size_also_one_that_fails(run: Run) -> None:
    async def main() -> None:
        store, vitals = EchoStore(), Vitals()
        made = Committer(store, EchoBroker(store), asyncio.get_running_loop(), lambda: None, vitals)
        made.start()
        store.pending_bytes = 5000
        made.kick()
        await until(lambda: not store.busy)
        assert (vitals.commits.count, vitals.batches.total) == (1, 5000)
        store.failure = StoreError("full")
        store.pending_bytes = 1
        made.kick()
        await until(lambda: not store.busy)
        assert (vitals.commits.count, vitals.batches.total) == (2, 5001)
        made.stop()

    run(main())


class Watching:
    """An extension that serves nothing."""

    def begin(self, parts: Parts) -> None:
        self.vitals = parts.vitals

    def endpoints(self) -> list[Endpoint]:
        return []

    async def start(self) -> None:
        pass

    def reconfigure(self, config: Config) -> None:
        pass

    async def stop(self) -> None:
        pass


def test_turns_and_handshakes_are_noted(run: Run, tmp_path: Path) -> None:
    made = Certificates(tmp_path / "certificates")
    config = Config(
        server=ServerConfig(data=str(tmp_path / "data")),
        listener=(ListenerConfig(port=0, tls=True), ListenerConfig(port=0)),
        stomp=StompConfig(port="off", tls_port="off"),
        websocket=WebSocketConfig(port="off", tls_port="off"),
        tls=made.config(),
    )

    def talk(port: int) -> None:
        with pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port)) as connection:
            connection.channel().queue_declare("q", durable=True)

    def come(port: int) -> None:
        context = ssl.create_default_context(cafile=str(made.ca_file))
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost"),
        ):
            pass

    def mumble(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"no handshake\r\n" * 10)
            plain.recv(100)

    async def main() -> None:
        watching = Watching()
        async with Server(config, extensions=[watching]) as server:
            vitals = watching.vitals
            secure, plain = server.ports
            before = vitals.turns.count, vitals.commits.count
            await asyncio.to_thread(talk, plain)
            await until(lambda: vitals.turns.count > before[0] and vitals.commits.count > before[1])
            assert (vitals.handshakes, vitals.handshakes_failed) == (0, 0)
            await asyncio.to_thread(come, secure)
            await until(lambda: vitals.handshakes == 1)
            await asyncio.to_thread(mumble, secure)
            await until(lambda: vitals.handshakes_failed == 1)
            assert vitals.handshakes == 1

    run(main())
