"""Listeners with TLS, tried with real clients: who gets in, who does not, what is said of it, and the reload."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pika
import pytest
import stomp
import trustme
from tests.interop.stomp_client import Heard
from tests.server.echo import until
from tests.support.certificates import Certificates
from tests.support.waiting import in_time
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from batonmq.server.broker_server import Server
from batonmq.server.config import (
    Config,
    LimitsConfig,
    ListenerConfig,
    ServerConfig,
    StompConfig,
    TlsConfig,
    WebSocketConfig,
)
from batonmq.server.failures import ConfigError
from batonmq.server.outgoing import UNSENT_HIGH, UNSENT_LIMIT

Run = Callable[[Coroutine[object, object, None]], None]

HEADER = b"AMQP\x00\x00\x09\x01"
CONNECT = b"CONNECT\naccept-version:1.2\nhost:/\n\n\0"
LOGGING_IN = CONNECT.replace(b"\n\n", b"\nlogin:guest\npasscode:guest\n\n")


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certificates")


@asynccontextmanager
async def serving(data: Path, tls: TlsConfig, *, connections: int = 100) -> AsyncIterator[Server]:
    config = Config(
        server=ServerConfig(data=str(data)),
        listener=(ListenerConfig(port=0),),
        stomp=StompConfig(port="off", tls_port=0),
        websocket=WebSocketConfig(port="off", tls_port=0),
        tls=tls,
        limits=LimitsConfig(connections=connections),
    )
    async with Server(config, refusal_seconds=0.01) as server:
        yield server


def port_of(server: Server, scheme: str) -> int:
    (port,) = (address.port for address in server.addresses if address.scheme == scheme)
    return port


def wrapped(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30), server_hostname="localhost")


def is_refused(port: int, context: ssl.SSLContext) -> bool:
    """Is the handshake refused? With TLS 1.3 the client learns of it when it reads."""
    try:
        with wrapped(port, context) as opened:
            opened.sendall(HEADER)
            return opened.recv(100) == b""
    except OSError:
        return True


def open_pika(port: int, context: ssl.SSLContext) -> pika.BlockingConnection:
    options = pika.SSLOptions(context, "localhost")
    return pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", port, ssl_options=options, socket_timeout=30, stack_timeout=30)
    )


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_large_message_both_ways(run: Run, tmp_path: Path, made: Certificates, version: ssl.TLSVersion) -> None:
    body = os.urandom(1 << 20) * 20

    def exchange(port: int) -> None:
        context = made.context()
        context.minimum_version = context.maximum_version = version
        connection = open_pika(port, context)
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("q")
        channel.basic_publish("", "q", body)
        _, _, got = channel.basic_get("q", auto_ack=True)
        assert got == body
        connection.close()

    async def main() -> None:
        async with serving(tmp_path, made.config()) as server:
            await asyncio.to_thread(exchange, port_of(server, "amqps"))
            await until(lambda: len(server._sockets.connections) == 0)

    run(main())


def test_a_client_that_does_not_read_is_held_up(run: Run, tmp_path: Path, made: Certificates) -> None:
    """What waits for it is bounded, and comes when it reads again."""
    count, body = 40, bytes(1 << 20)

    def publish(port: int) -> None:
        connection = open_pika(port, made.context())
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("q")
        for _ in range(count):
            channel.basic_publish("", "q", body)
        connection.close()

    def subscribe(port: int) -> ssl.SSLSocket:
        opened = wrapped(port, made.context())
        opened.sendall(LOGGING_IN + b"SUBSCRIBE\nid:1\ndestination:/amq/queue/q\n\n\0")
        return opened

    def read(opened: ssl.SSLSocket) -> None:
        with opened:
            got = 0
            while got < count * len(body):
                data = opened.recv(1 << 16)
                assert data
                got += len(data)

    async def main() -> None:
        async with serving(tmp_path, made.config()) as server:
            await asyncio.to_thread(publish, port_of(server, "amqps"))
            await until(lambda: len(server._sockets.connections) == 0)
            opened = await asyncio.to_thread(subscribe, port_of(server, "stomp+ssl"))
            await until(lambda: len(server._sockets.connections) == 1)
            (connection,) = server._sockets.connections
            await until(lambda: connection._transport.get_write_buffer_size() > UNSENT_HIGH)
            for _ in range(20):
                assert connection._transport.get_write_buffer_size() < UNSENT_LIMIT + 2 * len(body)
                await asyncio.sleep(0)
            await asyncio.to_thread(read, opened)

    run(main())


def test_stomp_with_tls(run: Run, tmp_path: Path, made: Certificates) -> None:
    def exchange(port: int) -> None:
        heard = Heard()
        connection = stomp.Connection12([("localhost", port)])
        connection.set_ssl(for_hosts=[("localhost", port)], ca_certs=str(made.ca_file))
        connection.set_listener("heard", heard)
        connection.connect("guest", "guest", wait=True)
        connection.subscribe("/queue/q", "1")
        connection.send("/queue/q", "hello")
        assert heard.messages.get(timeout=30).body == "hello"
        connection.disconnect()

    async def main() -> None:
        async with serving(tmp_path, made.config()) as server:
            await asyncio.to_thread(exchange, port_of(server, "stomp+ssl"))

    run(main())


def test_websocket_with_tls_agrees_on_http(run: Run, tmp_path: Path, made: Certificates) -> None:
    def agree(port: int) -> str | None:
        context = made.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with wrapped(port, context) as opened:
            return opened.selected_alpn_protocol()

    async def main() -> None:
        async with serving(tmp_path, made.config()) as server:
            (address,) = (one for one in server.addresses if one.scheme == "wss")
            # Not the client of threads: two of them in one TLS connection lose what is written, one time in a hundred.
            async with connect(
                address.url, ssl=made.context(), subprotocols=[Subprotocol("v12.stomp")], server_hostname="localhost"
            ) as ws:
                await ws.send(CONNECT.replace(b"\n\n", b"\nlogin:guest\npasscode:guest\n\n").decode())
                assert str(await asyncio.wait_for(ws.recv(), 30)).startswith("CONNECTED")
            assert await asyncio.to_thread(agree, address.port) == "http/1.1"

    run(main())


def test_tls_1_1_is_refused(run: Run, tmp_path: Path, made: Certificates, caplog: pytest.LogCaptureFixture) -> None:
    context = made.context()
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    async def main() -> None:
        async with serving(tmp_path, made.config()) as server:
            assert await asyncio.to_thread(is_refused, port_of(server, "amqps"), context)
            await until(lambda: "the client asks for a version of TLS that is too old" in caplog.text)

    run(main())


def test_the_least_version_can_be_1_3(run: Run, tmp_path: Path, made: Certificates) -> None:
    old, new = made.context(), made.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    async def main() -> None:
        async with serving(tmp_path, made.config(min_version="1.3")) as server:
            assert await asyncio.to_thread(is_refused, port_of(server, "amqps"), old)
            assert not await asyncio.to_thread(is_refused, port_of(server, "amqps"), new)

    run(main())


def test_a_client_that_does_not_trust_the_ca(
    run: Run, tmp_path: Path, made: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(tmp_path, made.config()) as server:
            assert await asyncio.to_thread(is_refused, port_of(server, "amqps"), made.context(ca=False))
            await until(lambda: "TLS handshake failed: the client refuses: unknown ca" in caplog.text)
            await until(lambda: len(server._sockets._arrivals) == 0)

    run(main())


@pytest.mark.parametrize(
    ("whose", "told"),
    [
        ("nobody", "the client shows no certificate, which is required"),
        ("stranger", "the client's certificate is refused: unable to get local issuer certificate"),
        ("expired", "the client's certificate is refused: certificate has expired"),
        ("right", ""),
    ],
)
def test_required_certificates_of_clients(
    run: Run, tmp_path: Path, made: Certificates, caplog: pytest.LogCaptureFixture, whose: str, told: str
) -> None:
    shown = None
    if whose != "nobody":
        by = trustme.CA() if whose == "stranger" else None
        shown = made.client_file(common_name="ann", by=by, is_expired=whose == "expired")
    context = made.context(shown)

    async def main() -> None:
        async with serving(tmp_path, made.asking("required")) as server:
            assert await asyncio.to_thread(is_refused, port_of(server, "amqps"), context) == bool(told)
            await until(lambda: told in caplog.text)

    run(main())


def test_plain_text_where_there_is_tls(
    run: Run, tmp_path: Path, made: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(tmp_path, made.config()) as server:
            for first in (HEADER, CONNECT, b"GET / HTTP/1.1\r\n\r\n"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server, "amqps"))
                writer.write(first)
                assert await reader.read() == b""
                writer.close()
            told = "TLS handshake failed: the client does not speak TLS, which this port asks for"
            await until(lambda: caplog.text.count(told) == 3)

    run(main())


def test_tls_where_there_is_plain_text(
    run: Run, tmp_path: Path, made: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    def call(port: int) -> None:
        with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version.number|record.layer"):
            wrapped(port, made.context())

    async def main() -> None:
        async with serving(tmp_path, made.config()) as server:
            # As to every wrong header AMQP answers with its own.
            await asyncio.to_thread(call, port_of(server, "amqp"))
            assert [line for line in caplog.messages if "the client speaks TLS, which this port does not" in line]
            await until(lambda: len(server._sockets.connections) == 0)

    run(main())


def test_a_handshake_that_stalls_is_ended(
    run: Run, tmp_path: Path, made: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(seconds: float) -> None:
        caplog.clear()
        async with serving(tmp_path, made.config(handshake_timeout=seconds)) as server:
            opened = [await asyncio.open_connection("127.0.0.1", port_of(server, "amqps")) for _ in range(3)]
            with contextlib.ExitStack() as closing_all:
                for _, writer in opened:
                    closing_all.callback(writer.close)
                opened[1][1].write(b"\x16\x03\x01\x02")
                for reader, _ in opened:
                    assert await reader.read() == b""
            await until(lambda: len(server._sockets._arrivals) == 0)
            assert caplog.text.count("TLS handshake failed: it took too long") == 3

    in_time(lambda milliseconds: run(main(milliseconds / 1000)), 200, 3_000)


def test_handshakes_count_as_connections(
    run: Run, tmp_path: Path, made: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(tmp_path, made.config(), connections=2) as server:
            port = port_of(server, "amqps")
            first = await asyncio.open_connection("127.0.0.1", port)
            second = await asyncio.open_connection("127.0.0.1", port)
            await until(lambda: len(server._sockets._arrivals) == 2)
            third = await asyncio.open_connection("127.0.0.1", port)
            assert await third[0].read() == b""
            assert "refused: there are 2 connections, the limit" in caplog.text
            second[1].close()
            await until(lambda: len(server._sockets._arrivals) == 1)
            # The one that is left is all that a client needs.
            assert not await asyncio.to_thread(is_refused, port, made.context())
            for _, writer in (first, third):
                writer.close()

    run(main())


def test_a_server_that_stops_does_not_wait_for_handshakes(run: Run, tmp_path: Path, made: Certificates) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            async with serving(tmp_path, made.config(handshake_timeout=3600)) as server:
                reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server, "amqps"))
                await until(lambda: len(server._sockets._arrivals) == 1)
            assert await reader.read() == b""
            writer.close()

    run(main())


def test_a_reload_drops_nobody(run: Run, tmp_path: Path, made: Certificates, caplog: pytest.LogCaptureFixture) -> None:
    before = made.context()

    async def main() -> None:
        async with serving(tmp_path, made.config()) as server:
            port = port_of(server, "amqps")
            connection = await asyncio.to_thread(open_pika, port, before)
            other = Certificates(tmp_path / "other")
            made.certificate.write_bytes(other.certificate.read_bytes())
            with caplog.at_level(logging.INFO):
                server.reload()
                assert "it is the key of another certificate" in caplog.text
                assert not await asyncio.to_thread(is_refused, port, before), "the old one is gone"
                made.key.write_bytes(other.key.read_bytes())
                # Nobody tells: it is seen.
                await until(lambda: "was read again" in caplog.text, 30)
            assert await asyncio.to_thread(is_refused, port, before)
            assert not await asyncio.to_thread(is_refused, port, other.context())
            channel = await asyncio.to_thread(connection.channel)
            await asyncio.to_thread(channel.queue_declare, "q")
            await asyncio.to_thread(connection.close)

    run(main())


def test_an_error_is_read_by_a_client_that_goes_on_sending(run: Run, tmp_path: Path, made: Certificates) -> None:
    def talk(port: int) -> bytes:
        with wrapped(port, made.context()) as opened:
            opened.sendall(LOGGING_IN)
            assert opened.recv(4096).startswith(b"CONNECTED")
            # It may be told while it sends that nobody listens any more.
            with contextlib.suppress(ssl.SSLEOFError):
                opened.sendall(b"NONSENSE\n\n\0" + b"SEND\ndestination:/queue/q\n\nx\0" * 5000)
            return opened.recv(4096)

    async def main() -> None:
        async with serving(tmp_path, made.config()) as server:
            assert (await asyncio.to_thread(talk, port_of(server, "stomp+ssl"))).startswith(b"ERROR")

    run(main())


def test_listeners_with_tls_alone(run: Run, tmp_path: Path, made: Certificates) -> None:
    async def main() -> None:
        config = Config(
            server=ServerConfig(data=str(tmp_path)),
            listener=(ListenerConfig(port=0, tls=True), ListenerConfig(port=0, tls=True)),
            stomp=StompConfig(port="off", tls_port="off"),
            websocket=WebSocketConfig(port="off", tls_port="off"),
            tls=made.config(),
        )
        async with Server(config) as server:
            assert [address.scheme for address in server.addresses] == ["amqps", "amqps"]
            for port in server.ports:
                assert not await asyncio.to_thread(is_refused, port, made.context())

    run(main())


def test_what_is_wrong_is_said_before_anything_is_opened(run: Run, tmp_path: Path, made: Certificates) -> None:
    made.key.write_text("this is a letter")

    async def main() -> None:
        with pytest.raises(ConfigError, match=r"tls\.key: .* there is no private key in it"):
            await Server(Config(server=ServerConfig(data=str(tmp_path / "data")), tls=made.config())).start()
        assert not (tmp_path / "data").exists()

    run(main())
