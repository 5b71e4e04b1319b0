"""What each connection's messages were and became is counted, for whoever wants to show it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path

import pytest
from pamqp import commands as spec
from tests.server.echo import until
from tests.support.wire import Address, Wire

from batonmq.protocols.sessions.counts import ConnectionCounts
from batonmq.server.broker_server import Server
from batonmq.server.config import Config, ListenerConfig, ServerConfig, StompConfig, WebSocketConfig

Run = Callable[[Coroutine[object, object, None]], None]
Counts = dict[str, int]


def shown(counts: ConnectionCounts) -> Counts:
    """Those that are not 0."""
    return {name: number for name, number in counts.listed().items() if number}


def counted(run: Run, tmp_path: Path, client: Callable[[int], None], expected: Counts, scheme: str = "amqp") -> None:
    """A client does what it does on the port of its protocol, and its connection has counted that."""

    async def main() -> None:
        config = Config(
            server=ServerConfig(data=str(tmp_path)),
            listener=(ListenerConfig(port=0),),
            stomp=StompConfig(port=0),
            websocket=WebSocketConfig(port="off"),
        )
        async with Server(config) as server:
            seen: list[ConnectionCounts] = []
            connections = server._sockets.connections

            def look() -> bool:
                """Sessions as they come; their counts stay when they are gone."""
                for connection in connections._open:
                    session = connection._session
                    if session is not None and session.counts not in seen:
                        seen.append(session.counts)
                return bool(seen)

            port = next(address.port for address in server.addresses if address.scheme == scheme)
            done = asyncio.ensure_future(asyncio.to_thread(client, port))
            await until(look)
            await done
            await until(lambda: not len(connections))
            assert [shown(counts) for counts in seen] == [expected]

    run(main())


def opened(port: int) -> Wire:
    return Wire(Address("127.0.0.1", port), timeout=30).open()


@pytest.fixture
def persistent() -> spec.Basic.Properties:
    return spec.Basic.Properties(delivery_mode=2)


def test_publishes_confirms_and_returns(run: Run, tmp_path: Path, persistent: spec.Basic.Properties) -> None:
    def client(port: int) -> None:
        wire = opened(port)
        channel = wire.channel()
        channel.queue("q", durable=True, arguments={"x-max-length": 3, "x-overflow": "reject-publish"})
        channel.publish("q", b"no confirm")
        channel.select()
        for _ in range(2):
            channel.publish("q", b"x", properties=persistent)
        channel.publish("nowhere", b"x", mandatory=True)
        channel.publish("q", b"one too many", properties=persistent)
        assert list(channel.confirmed().values()).count(True) == 3
        wire.close()

    counted(run, tmp_path, client, {"published": 5, "confirmed": 3, "refused": 1, "unroutable": 1})


def test_deliveries_and_what_becomes_of_them(run: Run, tmp_path: Path) -> None:
    def client(port: int) -> None:
        wire = opened(port)
        channel = wire.channel()
        channel.queue("q")
        for number in range(8):
            channel.publish("q", b"%d" % number)
        channel.consume("q")
        tags = [channel.message().tag for _ in range(8)]
        for tag in tags[:3]:
            channel.ack(tag)
        channel.ack(tags[4], multiple=True)
        channel.send(spec.Basic.Reject(tags[5], requeue=False))
        channel.send(spec.Basic.Nack(tags[6], requeue=True))
        again = channel.message()
        assert again.redelivered
        channel.ack(again.tag)
        channel.barrier()
        # The last is given back with its channel.
        channel.close()
        wire.close()

    expected = {"published": 8, "delivered": 9, "redelivered": 1, "accepted": 6, "rejected": 1, "requeued": 2}
    counted(run, tmp_path, client, expected)


def test_what_is_fetched_and_what_needs_no_acknowledgement(run: Run, tmp_path: Path) -> None:
    def client(port: int) -> None:
        wire = opened(port)
        channel = wire.channel()
        channel.queue("q")
        for _ in range(3):
            channel.publish("q", b"x")
        channel.get_one("q")
        channel.consume("q", no_ack=True)
        for _ in range(2):
            channel.message()
        wire.close()

    counted(
        run,
        tmp_path,
        client,
        {"published": 3, "delivered": 3, "delivered_no_ack": 2, "fetched": 1, "requeued": 1},
    )


def test_a_transaction(run: Run, tmp_path: Path) -> None:
    def client(port: int) -> None:
        wire = opened(port)
        channel = wire.channel()
        channel.queue("q")
        channel.publish("q", b"x")
        channel.call(spec.Tx.Select())
        tag = channel.get_one("q").tag
        channel.ack(tag)
        channel.call(spec.Tx.Rollback())
        channel.ack(tag)
        channel.call(spec.Tx.Commit())
        wire.close()

    counted(run, tmp_path, client, {"published": 1, "delivered": 1, "fetched": 1, "accepted": 1})


def test_stomp(run: Run, tmp_path: Path) -> None:
    def client(port: int) -> None:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as opened:
            stream = opened.makefile("rwb")

            def say(command: str, body: bytes = b"", **headers: str) -> None:
                lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
                stream.write(f"{command}\n{lines}\n".encode() + body + b"\0")
                stream.flush()

            def read() -> tuple[str, dict[str, str]]:
                frame = b""
                while not frame.endswith(b"\0"):
                    frame += stream.read(1)
                head, *lines = frame.split(b"\n\n")[0].decode().strip().split("\n")
                return head, dict(line.split(":", 1) for line in lines)

            def expect(command: str) -> dict[str, str]:
                head, headers = read()
                assert head == command
                return headers

            say("CONNECT", accept_version="1.2", host="/", login="guest", passcode="guest")
            expect("CONNECTED")
            say("SUBSCRIBE", id="1", destination="/queue/q", ack="client-individual", receipt="there")
            expect("RECEIPT")
            say("SEND", b"a", destination="/queue/q")
            say("SEND", b"b", destination="/queue/q", persistent="true")
            say("ACK", id=expect("MESSAGE")["ack"])
            say("NACK", id=expect("MESSAGE")["ack"], requeue="true")
            again = expect("MESSAGE")
            assert again["redelivered"] == "true"
            say("NACK", id=again["ack"], requeue="false")
            say("SEND", b"c", destination="/queue/q", receipt="safe")
            # It is given back when the connection ends.
            assert {read()[0], read()[0]} == {"MESSAGE", "RECEIPT"}
            say("DISCONNECT", receipt="bye")
            expect("RECEIPT")

    expected = {
        "published": 3,
        "confirmed": 1,
        "delivered": 4,
        "redelivered": 1,
        "accepted": 1,
        "requeued": 2,
        "rejected": 1,
    }
    counted(run, tmp_path, client, expected, "stomp")
