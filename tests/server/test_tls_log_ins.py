"""Who is let in by a certificate: SASL EXTERNAL of AMQP 0-9-1 and 1.0, and CONNECT of STOMP without a login."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pika
import pytest
from pika import exceptions
from tests.server.test_tls import CONNECT, port_of, wrapped
from tests.support.certificates import Certificates

import batonmq
from batonmq.protocols.amqp10.codec.encoder import sasl_frame
from batonmq.protocols.amqp10.codec.performatives import SaslInit
from batonmq.protocols.amqp10.codec.values import Symbol
from batonmq.server.broker_server import Server
from batonmq.server.config import (
    Config,
    ListenerConfig,
    PermissionConfig,
    ServerConfig,
    StompConfig,
    TlsConfig,
    UserConfig,
    WebSocketConfig,
)

Run = Callable[[Coroutine[object, object, None]], None]

ANN = UserConfig(name="ann", password="a secret", permission=(PermissionConfig(configure=".*", write=".*", read=".*"),))
HEADER = b"AMQP\x00\x00\x09\x01"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certificates")


@asynccontextmanager
async def serving(data: Path, tls: TlsConfig, *, certificate_login: bool = False) -> AsyncIterator[Server]:
    config = Config(
        server=ServerConfig(data=str(data)),
        listener=(ListenerConfig(port=0),),
        stomp=StompConfig(port="off", tls_port=0, certificate_login=certificate_login),
        websocket=WebSocketConfig(port="off", tls_port="off"),
        tls=tls,
        user=(ANN,),
    )
    async with Server(config, refusal_seconds=0.01) as server:
        yield server


def log_in(port: int, context: ssl.SSLContext) -> None:
    options = pika.SSLOptions(context, "localhost")
    credentials = pika.credentials.ExternalCredentials()
    parameters = pika.ConnectionParameters(
        "127.0.0.1", port, ssl_options=options, credentials=credentials, socket_timeout=30, stack_timeout=30
    )
    connection = pika.BlockingConnection(parameters)
    connection.channel().queue_declare("q")
    connection.close()


def first_words(port: int, context: ssl.SSLContext, *said: bytes) -> bytes:
    """What is answered to each; all of it."""
    heard = b""
    with wrapped(port, context) as opened:
        for words in said:
            opened.sendall(words)
            heard += opened.recv(4096)
    return heard


def test_the_common_name_is_the_user(
    run: Run, tmp_path: Path, made: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    context = made.context(made.client_file("client.example", common_name="ann"))
    caplog.set_level("INFO")

    async def main() -> None:
        async with serving(tmp_path, made.asking()) as server:
            await asyncio.to_thread(log_in, port_of(server, "amqps"), context)
        assert "user 'ann' logged in to virtual host '/' (AMQP 0-9-1" in caplog.text

    run(main())


def test_a_dns_name_is_the_user(run: Run, tmp_path: Path, made: Certificates) -> None:
    right = made.context(made.client_file("ann", common_name="somebody"))
    wrong = made.context(made.client_file("somebody.example", common_name="ann"))
    several = made.context(made.client_file("ann", "ben", common_name="both"))

    async def main() -> None:
        async with serving(tmp_path, made.asking(login_from="dns_name")) as server:
            port = port_of(server, "amqps")
            await asyncio.to_thread(log_in, port, right)
            with pytest.raises(exceptions.AMQPConnectionError):
                await asyncio.to_thread(log_in, port, wrong)
            assert b"EXTERNAL" not in await asyncio.to_thread(first_words, port, several, HEADER)

    run(main())


def test_a_user_who_is_not_known_is_refused_as_a_wrong_password_is(
    run: Run, tmp_path: Path, made: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    context = made.context(made.client_file(common_name="eve"))

    async def main() -> None:
        async with serving(tmp_path, made.asking()) as server:
            with pytest.raises(exceptions.ProbableAuthenticationError, match=r"Login was refused using .* EXTERNAL"):
                await asyncio.to_thread(log_in, port_of(server, "amqps"), context)
            assert "log-in refused for user 'eve', whom the certificate names" in caplog.text

    run(main())


@pytest.mark.parametrize("client_certificates", ["none", "wanted"])
def test_external_is_not_offered_without_a_certificate(
    run: Run, tmp_path: Path, made: Certificates, client_certificates: str
) -> None:
    # Where none is asked for, it is not shown.
    context = made.context(made.client_file(common_name="ann") if client_certificates == "none" else None)

    async def main() -> None:
        async with serving(tmp_path, made.asking(client_certificates)) as server:
            port = port_of(server, "amqps")
            start = await asyncio.to_thread(first_words, port, context, HEADER)
            assert b"PLAIN" in start
            assert b"EXTERNAL" not in start
            with pytest.raises(exceptions.AMQPConnectionError):
                await asyncio.to_thread(log_in, port, context)
            init = sasl_frame(SaslInit(mechanism=Symbol("EXTERNAL")))
            heard = await asyncio.to_thread(first_words, port, context, SASL_HEADER, init)
            assert b"EXTERNAL" not in heard
            assert heard.endswith(b"\x50\x01"), "not the outcome auth"

    run(main())


@pytest.mark.parametrize(("name", "code"), [("ann", 0), ("eve", 1)])
def test_external_in_amqp_1_0(run: Run, tmp_path: Path, made: Certificates, name: str, code: int) -> None:
    context = made.context(made.client_file(common_name=name))
    init = sasl_frame(SaslInit(mechanism=Symbol("EXTERNAL"), initial_response=b""))

    async def main() -> None:
        async with serving(tmp_path, made.asking("required")) as server:
            heard = await asyncio.to_thread(first_words, port_of(server, "amqps"), context, SASL_HEADER, init)
            assert b"EXTERNAL" in heard
            assert heard.endswith(bytes([0x50, code]))

    run(main())


@pytest.mark.parametrize(
    ("name", "certificate_login", "connect", "answer"),
    [
        ("ann", True, CONNECT, b"CONNECTED"),
        ("eve", True, CONNECT, b"ERROR"),
        ("ann", False, CONNECT, b"ERROR"),
        # Who says who it is says its password, too.
        ("ann", True, CONNECT.replace(b"\n\n", b"\nlogin:ann\npasscode:wrong\n\n"), b"ERROR"),
    ],
)
def test_stomp_without_a_login(
    run: Run, tmp_path: Path, made: Certificates, name: str, certificate_login: bool, connect: bytes, answer: bytes
) -> None:
    context = made.context(made.client_file(common_name=name))

    async def main() -> None:
        async with serving(tmp_path, made.asking(), certificate_login=certificate_login) as server:
            heard = await asyncio.to_thread(first_words, port_of(server, "stomp+ssl"), context, connect)
            assert heard.startswith(answer + b"\n")

    run(main())


def test_our_own_api_logs_in_by_its_certificate(
    run: Run, tmp_path: Path, made: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    client = made.client_file("client.example", common_name="ann")
    caplog.set_level("INFO")

    def send_and_receive(port: int) -> bytes:
        query = f"cacertfile={made.ca_file}&certfile={client}&auth_mechanism=external"
        with batonmq.connect(f"amqps://localhost:{port}/?{query}") as mq:
            mq.declare("orders")
            mq.send("orders", b"by certificate")
            with mq.receiver("orders") as receiver:
                (delivery,) = receiver.receive(wait=30)
                delivery.accept()
                return delivery.message.body

    async def main() -> None:
        async with serving(tmp_path, made.asking()) as server:
            body = await asyncio.to_thread(send_and_receive, port_of(server, "amqps"))
            assert body == b"by certificate"
        assert "user 'ann' logged in to virtual host '/' (AMQP 0-9-1" in caplog.text

    run(main())


def test_our_own_api_is_refused_with_the_certificate_of_nobody(run: Run, tmp_path: Path, made: Certificates) -> None:
    client = made.client_file("client.example", common_name="eve")

    async def main() -> None:
        async with serving(tmp_path, made.asking()) as server:
            query = f"cacertfile={made.ca_file}&certfile={client}&auth_mechanism=external"
            url = f"amqps://localhost:{port_of(server, 'amqps')}/?{query}"
            with pytest.raises(batonmq.AccessRefused, match="refused to log in the user of the client certificate"):
                await asyncio.to_thread(batonmq.connect, url)

    run(main())
