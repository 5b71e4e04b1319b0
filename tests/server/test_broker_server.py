"""The broker as a server, tried with a client over real sockets and a real store."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pika
import pytest
from pika import exceptions
from tests.server.echo import until
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from batonmq.server import broker_server
from batonmq.server.broker_server import STORE_NAME, Server
from batonmq.server.config import (
    Amqp10Config,
    AmqpConfig,
    Config,
    ListenerConfig,
    ServerConfig,
    StompConfig,
    UserConfig,
    VhostConfig,
    WebSocketConfig,
)
from batonmq.server.failures import ConfigError, StartError
from batonmq.server.users import PermissionEntry, UserEntry, UserFile

Run = Callable[[Coroutine[object, object, None]], None]


DEFAULT_AMQP = AmqpConfig()


def config(data: Path, port: int = 0, *, amqp: AmqpConfig = DEFAULT_AMQP, user: tuple[UserConfig, ...] = ()) -> Config:
    return Config(
        server=ServerConfig(data=str(data)),
        listener=(ListenerConfig(port=port),),
        stomp=StompConfig(port="off"),
        websocket=WebSocketConfig(port="off"),
        amqp=amqp,
        user=user,
    )


@asynccontextmanager
async def serving(
    data: Path, *, amqp: AmqpConfig = DEFAULT_AMQP, user: tuple[UserConfig, ...] = ()
) -> AsyncIterator[Server]:
    async with Server(config(data, amqp=amqp, user=user), refusal_seconds=0.01) as server:
        yield server


def open_connection(
    port: int, user: str = "guest", password: str = "guest", vhost: str = "/"
) -> pika.BlockingConnection:
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            "127.0.0.1", port, "/", pika.PlainCredentials(user, password), socket_timeout=30, stack_timeout=30
        )
    )


def send(port: int, *bodies: bytes) -> None:
    connection = open_connection(port)
    channel = connection.channel()
    channel.queue_declare("q", durable=True)
    channel.confirm_delivery()
    for body in bodies:
        channel.basic_publish("", "q", body, pika.BasicProperties(delivery_mode=2), mandatory=True)
    connection.close()


def take(port: int) -> list[bytes]:
    connection = open_connection(port)
    channel = connection.channel()
    bodies = []
    while True:
        method, _, body = channel.basic_get("q")
        if method is None:
            break
        channel.basic_ack(method.delivery_tag)
        bodies.append(body)
    connection.close()
    return bodies


def test_what_was_confirmed_is_there_after_a_restart(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as server:
            await asyncio.to_thread(send, server.ports[0], b"one", b"two")
        async with serving(tmp_path) as server:
            assert await asyncio.to_thread(take, server.ports[0]) == [b"one", b"two"]
        async with serving(tmp_path) as server:
            assert await asyncio.to_thread(take, server.ports[0]) == []

    run(main())


def test_clients_are_told_that_the_broker_stops(run: Run, tmp_path: Path) -> None:
    def wait(connection: pika.BlockingConnection) -> exceptions.ConnectionClosedByBroker:
        with pytest.raises(exceptions.ConnectionClosedByBroker) as caught:
            connection.process_data_events(time_limit=20)
        return caught.value

    async def main() -> None:
        async with serving(tmp_path) as server:
            connection = await asyncio.to_thread(open_connection, server.ports[0])
            waiting = asyncio.create_task(asyncio.to_thread(wait, connection))
            start = time.monotonic()
            await server.stop(seconds=60)
        error = await waiting
        assert error.reply_code == 320
        assert error.reply_text.startswith("CONNECTION_FORCED")
        # A client that answers is not waited for any longer.
        assert time.monotonic() - start < 30

    run(main())


def test_a_client_that_does_not_answer_is_cut(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        server = Server(config(tmp_path))
        await server.start()
        silent = socket.create_connection(("127.0.0.1", server.ports[0]))
        await until(lambda: len(server._sockets.connections) == 1)
        await server.stop(seconds=0.05)
        assert len(server._sockets.connections) == 0
        silent.close()

    run(main())


def test_the_store_is_closed_when_the_broker_has_stopped(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path):
            assert (tmp_path / STORE_NAME).exists()
        # SQLite removes its journal when the last connection closes in order.
        assert not (tmp_path / (STORE_NAME + "-wal")).exists()

    run(main())


def test_users_log_in_and_others_do_not(run: Run, tmp_path: Path) -> None:
    def refused(port: int, user: str, password: str) -> None:
        with pytest.raises(exceptions.ProbableAuthenticationError):
            open_connection(port, user, password)

    async def main() -> None:
        users = (UserConfig(name="ann", password="secret"),)
        async with serving(tmp_path, user=users) as server:
            port = server.ports[0]
            await asyncio.to_thread(refused, port, "guest", "wrong")
            await asyncio.to_thread(refused, port, "nobody", "guest")
            # Right, but without access to any virtual host.
            with pytest.raises(exceptions.ProbableAccessDeniedError):
                await asyncio.to_thread(open_connection, port, "ann", "secret")
            with UserFile(tmp_path).change() as found:
                found["ben"] = UserEntry(
                    password_hash="scrypt$1024$8$16$TmFDbA==$"
                    "/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA==",
                    permissions={"/": PermissionEntry(read="^q$")},
                )
            connection = await asyncio.to_thread(open_connection, port, "ben", "password")
            with pytest.raises(exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
                await asyncio.to_thread(lambda: connection.channel().queue_declare("mine"))
            await asyncio.to_thread(connection.close)

    run(main())


def test_settings_of_the_configuration_reach_clients(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        amqp = AmqpConfig(heartbeat=17, channel_max=5, frame_max=8192, product="RabbitMQ", version="4.2.0")
        async with serving(tmp_path, amqp=amqp) as server:
            connection = await asyncio.to_thread(open_connection, server.ports[0])
            properties = connection._impl.server_properties
            assert (properties["product"], properties["version"]) == ("RabbitMQ", "4.2.0")
            parameters = connection._impl.params
            assert (parameters.heartbeat, parameters.channel_max, parameters.frame_max) == (17, 5, 8192)
            await asyncio.to_thread(connection.close)

    run(main())


def test_a_wrong_protocol_is_answered_with_the_right_one(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.read() == b"AMQP\x00\x00\x09\x01"
            writer.close()
            await writer.wait_closed()

    run(main())


SASL = b"AMQP\x03\x01\x00\x00"
AMQP_10 = b"AMQP\x00\x01\x00\x00"
AMQP_091 = b"AMQP\x00\x00\x09\x01"


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (AMQP_091, b"\x01\x00\x00"),
        (SASL, SASL),
        # Without SASL nobody may come; who asks for TLS, or a later version, is told what there is.
        (AMQP_10, SASL),
        (b"AMQP\x02\x01\x00\x00", SASL),
        (b"AMQP\x00\x02\x00\x00", SASL),
        (b"AMQP\x01\x01\x00\x0a", AMQP_091),
        (b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0", b"CONNECTED"),
    ],
)
def test_the_port_of_amqp_takes_all_protocols(run: Run, tmp_path: Path, head: bytes, answer: bytes) -> None:
    async def main() -> None:
        async with serving(tmp_path) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
            async with asyncio.timeout(30):
                for byte in head:
                    writer.write(bytes((byte,)))
                    await writer.drain()
                assert await reader.readexactly(len(answer)) == answer
            writer.close()

    run(main())


def test_what_is_set_for_amqp_1_0_counts(run: Run, tmp_path: Path) -> None:
    configured = Amqp10Config(anonymous_login="guest", anonymous_passcode="guest", dialect="artemis")
    listeners = (ListenerConfig(port=0), ListenerConfig(port=0, dialect="activemq"))
    # open with the container-id "me".
    hello = AMQP_10 + b"\x00\x00\x00\x11\x02\x00\x00\x00\x00\x53\x10\xc0\x05\x01\xa1\x02me"

    async def main() -> None:
        settings = config(tmp_path)
        settings = msgspec.structs.replace(settings, amqp10=configured, listener=listeners)
        settings = msgspec.structs.replace(settings, websocket=WebSocketConfig(port=0, dialect="rabbitmq"))
        async with Server(settings) as server:
            artemis, activemq, websocket = server.addresses
            for port, product in ((artemis.port, b"apache-activemq-artemis"), (activemq.port, b"ActiveMQ")):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(hello)
                async with asyncio.timeout(30):
                    await reader.readuntil(b"\xa3\x07product\xa1" + bytes((len(product),)) + product)
                writer.close()
            assert b"RabbitMQ" in await asyncio.to_thread(opened_through_websocket, websocket.url, hello)

    run(main())


def opened_through_websocket(url: str, hello: bytes) -> bytes:
    with connect(url, subprotocols=[Subprotocol("amqp")], open_timeout=30, proxy=None) as client:
        assert client.subprotocol == "amqp"
        client.send(hello)
        came = b""
        while b"version" not in came:
            came += client.recv(timeout=30, decode=False)
        return came


def test_two_brokers_do_not_share_a_directory_or_a_port(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "a") as server:
            with pytest.raises(StartError, match="is in use by another broker"):
                await Server(config(tmp_path / "a")).start()
            other = Server(config(tmp_path / "b", server.ports[0]))
            with pytest.raises(StartError, match=re.escape(f"port {server.ports[0]} on 127.0.0.1 is in use")):
                await other.start()
            # What failed to start holds nothing.
            async with serving(tmp_path / "b"):
                pass

    run(main())


def test_a_store_that_is_none_and_users_that_are_none_are_errors_in_words(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        (tmp_path / "a" / STORE_NAME).write_bytes(b"not a database, but long enough to look at" * 100)
        with pytest.raises(StartError, match=re.escape(STORE_NAME)):
            await Server(config(tmp_path / "a")).start()
        (tmp_path / "b" / "users.json").write_text("[]")
        with pytest.raises(ConfigError, match=r"users\.json: not a file of users"):
            await Server(config(tmp_path / "b")).start()

    run(main())


def test_a_client_that_is_gone_when_it_is_refused_disturbs_nobody(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(tmp_path) as server:
            with socket.create_connection(("127.0.0.1", server.ports[0])) as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            await asyncio.to_thread(send, server.ports[0], b"a whole conversation")
        assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []

    run(main())


# ---------------------------------------------------------------------- STOMP and WebSocket


def with_stomp(data: Path, stomp: StompConfig, websocket: WebSocketConfig, **changes: object) -> Server:
    changed = msgspec.structs.replace(config(data), stomp=stomp, websocket=websocket, **changes)
    return Server(changed, refusal_seconds=0.01)


CONNECT = b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0"


def test_clients_of_stomp_are_served_at_a_port_of_their_own_at_that_of_amqp_and_through_websocket(
    run: Run, tmp_path: Path
) -> None:
    async def main() -> None:
        async with with_stomp(tmp_path, StompConfig(port=0), WebSocketConfig(port=0, path="/stomp")) as server:
            amqp, stomp, websocket = server.addresses
            assert [address.scheme for address in server.addresses] == ["amqp", "stomp", "ws"]
            assert websocket.url == f"ws://127.0.0.1:{websocket.port}/stomp"
            for port in (amqp.port, stomp.port):
                assert (await answers(port, CONNECT)).startswith(b"CONNECTED\nversion:1.2\n")
            carried = await asyncio.to_thread(through_websocket, websocket.url, CONNECT)
            assert carried.startswith(b"CONNECTED\nversion:1.2\n")
            await asyncio.to_thread(send, amqp.port, b"and AMQP as ever")

    run(main())


async def answers(port: int, *frames: bytes) -> bytes:
    """The last of what STOMP answers these frames with, one frame each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    async with asyncio.timeout(20):
        for frame in frames:
            writer.write(frame)
            answer = (await reader.readuntil(b"\0")).lstrip(b"\n")
    writer.close()
    return answer


def through_websocket(url: str, *frames: bytes) -> bytes:
    with connect(url, open_timeout=30, proxy=None) as client:
        answer = b""
        for frame in frames:
            client.send(frame)
            answer = client.recv(timeout=30, decode=False)
        return answer


def test_each_listener_has_its_dialect(run: Run, tmp_path: Path) -> None:
    # Only RabbitMQ's dialect takes a SUBSCRIBE without an id; only in those of ActiveMQ and Artemis is any host good.
    frames = (CONNECT.replace(b"host:/", b"host:anywhere"), b"SUBSCRIBE\ndestination:/topic/x\nreceipt:1\n\n\0")

    async def main() -> None:
        listeners = (ListenerConfig(port=0), ListenerConfig(port=0, dialect="rabbitmq"))
        stomp, websocket = StompConfig(port=0, dialect="activemq"), WebSocketConfig(port=0, dialect="spec")
        async with with_stomp(tmp_path, stomp, websocket, listener=listeners) as server:
            amqp, rabbitmq, activemq, carried = server.addresses
            for port in (amqp.port, activemq.port):
                assert b"id" in await answers(port, *frames)
                assert (await answers(port, frames[0])).startswith(b"CONNECTED\n")
            assert (await answers(rabbitmq.port, frames[0])).startswith(b"ERROR\n")
            assert (await answers(rabbitmq.port, CONNECT, frames[1])).startswith(b"RECEIPT\n")
            assert (await asyncio.to_thread(through_websocket, carried.url, *frames)).startswith(b"ERROR\n")

    run(main())


def test_what_is_set_for_stomp_counts(run: Run, tmp_path: Path) -> None:
    stomp = StompConfig(
        port=0,
        default_vhost="shop",
        default_login="guest",
        default_passcode="guest",
        persistent=True,
        heart_beat_min=2_000,
        max_headers=16,
        max_message_size=1_000,
    )
    hello = b"CONNECT\naccept-version:1.2\nheart-beat:100,100\n\n\0"
    send = b"SEND\ndestination:/queue/orders\nreceipt:1\n\n\0"

    async def main() -> None:
        vhost = (VhostConfig(name="shop"),)
        async with with_stomp(tmp_path, stomp, WebSocketConfig(port="off"), vhost=vhost) as server:
            port = server.ports[-1]
            assert b"heart-beat:2000,2000\n" in await answers(port, hello)
            assert (await answers(port, hello, send)).startswith(b"RECEIPT\n")
            (queue,) = server.broker.vhosts["shop"].queues.values()
            subscribe = b"SUBSCRIBE\nid:1\ndestination:/queue/orders\n\n\0"
            assert (queue.name, queue.ready_count) == ("orders", 1)
            assert b"\npersistent:true\n" in await answers(port, hello, subscribe)
            many = b"".join(b"h%d:x\n" % number for number in range(20))
            assert b"16" in await answers(port, hello, send.replace(b"\n\n", b"\n" + many + b"\n"))
            assert b"1000" in await answers(
                port, hello, send.replace(b"\n\n", b"\n\n" + bytes(1_001).replace(b"\0", b"x"))
            )

    run(main())


def test_off_is_nowhere(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with with_stomp(tmp_path, StompConfig(port="off"), WebSocketConfig(port="off")) as server:
            assert [address.scheme for address in server.addresses] == ["amqp"]

    run(main())


def test_a_port_that_nobody_asked_for_may_be_taken(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            # The default would be in use or not, as the machine has it.
            monkeypatch.setattr(broker_server, "StompConfig", lambda: StompConfig(port=port))
            asked_for_nothing = StompConfig(port=port)
            async with with_stomp(tmp_path, asked_for_nothing, WebSocketConfig(port="off")) as server:
                assert [address.scheme for address in server.addresses] == ["amqp"]
            (warning,) = [one.getMessage() for one in caplog.records if "STOMP" in one.getMessage()]
            assert warning == (
                f"STOMP is not served: port {port} on 127.0.0.1 is in use by another program;"
                " --stomp-port chooses another"
            )
            required = with_stomp(tmp_path, StompConfig(port=port, required=True), WebSocketConfig(port="off"))
            with pytest.raises(StartError, match=f"port {port} .* --stomp-port chooses another"):
                await required.start()
            chosen = with_stomp(tmp_path, StompConfig(port="off"), WebSocketConfig(port=port))
            with pytest.raises(StartError, match=f"port {port} .* --websocket-port chooses another"):
                await chosen.start()

    run(main())
