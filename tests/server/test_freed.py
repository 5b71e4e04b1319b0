"""What a connection needed is free when it has ended, without the collector of circles, which seldom looks at it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from pamqp import commands as spec
from tests.support.freed import Remains, without_collector
from tests.support.wire import PROTOCOL_HEADER, Address, ChannelClosed, Wire
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from batonmq.server.broker_server import Server
from batonmq.server.config import (
    AmqpConfig,
    Config,
    LimitsConfig,
    ListenerConfig,
    ServerConfig,
    StompConfig,
    WebSocketConfig,
)

pytestmark = pytest.mark.usefixtures("at_full_cost")

Run = Callable[[Coroutine[object, object, None]], None]

# What connections are made of; the client of the tests has none of it.
MADE_OF = (
    "batonmq.broker.management.operations",
    "batonmq.broker.operations.operations",
    "batonmq.protocols.amqp091.",
    "batonmq.protocols.sessions.",
    "batonmq.protocols.stomp.",
    "batonmq.server.connection",
    "batonmq.server.websocket",
    "websockets.server",
)
# What all connections share, one for each channel number among it.
SETTINGS = ("StompSettings", "Dialect", "WebSocketSettings", "Connections", "ChannelFrames")
CONNECT = b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0"


async def all_free(server: Server, left: Remains) -> None:
    """Return when nothing is left of the connections; fail when something stays."""
    now: Counter[str] = Counter()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(90):
            while len(server._sockets.connections) or (now := left()):
                await asyncio.sleep(0.05)
            return
    pytest.fail(f"still there: {dict(now)}")


@asynccontextmanager
async def serving(config: Config) -> AsyncIterator[tuple[Server, Remains]]:
    async with Server(config, refusal_seconds=0.01) as server:
        left = Remains(MADE_OF, SETTINGS)
        with without_collector():
            yield server, left


def raw(port: int, data: bytes = b"") -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=30)
    opened.sendall(data)
    return opened


def until_closed(opened: socket.socket) -> None:
    # A server that had unread bytes left when it closed makes a reset of it.
    with contextlib.suppress(ConnectionResetError):
        while opened.recv(65536):
            pass


def wire(port: int) -> Wire:
    return Wire(Address("127.0.0.1", port), timeout=30)


def come_after(amqp: int, stomp: int, web: int) -> None:
    """Return when the server has seen all who came before: a client that left may still wait to be taken in."""
    for port in (amqp, stomp, web):
        with closing(raw(port, b"NONSENSE\n\n\0")) as opened:
            until_closed(opened)


# AMQP, at each stage


def amqp_says_nothing(amqp: int, stomp: int, web: int) -> None:
    raw(amqp).close()


def amqp_half_a_header(amqp: int, stomp: int, web: int) -> None:
    raw(amqp, b"AMQ").close()


def amqp_wrong_header(amqp: int, stomp: int, web: int) -> None:
    with closing(raw(amqp, b"GET / HTTP/1.1\r\n\r\n")) as opened:
        until_closed(opened)


def amqp_after_the_header(amqp: int, stomp: int, web: int) -> None:
    with closing(raw(amqp, PROTOCOL_HEADER)) as opened:
        opened.recv(65536)


def amqp_out_of_turn(amqp: int, stomp: int, web: int) -> None:
    opened = wire(amqp)
    opened.greet()
    opened.send(spec.Connection.Open())
    until_closed(opened.socket)
    opened.abort()


def amqp_wrong_mechanism(amqp: int, stomp: int, web: int) -> None:
    opened = wire(amqp)
    opened.greet()
    opened.send(spec.Connection.StartOk({}, "EXTERNAL", "", "en_US"))
    until_closed(opened.socket)
    opened.abort()


def amqp_log_in_pending(amqp: int, stomp: int, web: int) -> None:
    opened = wire(amqp)
    opened.greet()
    opened.send(spec.Connection.StartOk({}, "PLAIN", "\0guest\0wrong", "en_US"))
    opened.abort()


def amqp_log_in_refused(amqp: int, stomp: int, web: int) -> None:
    opened = wire(amqp)
    opened.greet()
    opened.send(spec.Connection.StartOk({}, "PLAIN", "\0guest\0wrong", "en_US"))
    until_closed(opened.socket)
    opened.abort()


def amqp_not_tuned(amqp: int, stomp: int, web: int) -> None:
    opened = wire(amqp)
    opened.greet()
    opened.send(spec.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US"))
    opened.expect(spec.Connection.Tune)
    opened.abort()


def amqp_closes(amqp: int, stomp: int, web: int) -> None:
    opened = wire(amqp).open()
    opened.channel().close()
    opened.close()


def amqp_lost_while_open(amqp: int, stomp: int, web: int) -> None:
    wire(amqp).open().abort()


def amqp_closed_for_an_error(amqp: int, stomp: int, web: int) -> None:
    opened = wire(amqp).open()
    opened.send_frame(77, 0, b"x")
    until_closed(opened.socket)
    opened.abort()


def amqp_busy(amqp: int, stomp: int, web: int) -> None:
    """Channels with all there is: consumers, a shared prefetch, what is unsettled, an exclusive queue, errors."""
    opened = wire(amqp).open()
    ch = opened.channel(1)
    ch.queue("q")
    ch.queue("mine", exclusive=True)
    for _ in range(20):
        ch.publish("q", b"x")
    ch.barrier()
    ch.qos(3, globally=True)
    tags = [ch.consume("q") for _ in range(4)]
    ch.consume("mine")
    ch.message()
    ch.cancel(tags[0])
    ch.get("q")
    other = opened.channel(2)
    other.select()
    other.publish("q", b"y")
    third = opened.channel(3)
    third.send(spec.Queue.Declare(queue="no such", passive=True))
    with pytest.raises(ChannelClosed):
        third.next()
    opened.abort()


def amqp_in_a_transaction(amqp: int, stomp: int, web: int) -> None:
    opened = wire(amqp).open()
    ch = opened.channel()
    ch.queue("t", durable=True)
    for _ in range(2):
        ch.publish("t", b"x")
    ch.barrier()
    ch.call(spec.Tx.Select())
    got = ch.get_one("t")
    ch.ack(got.tag)
    ch.publish("t", b"y")
    ch.get_one("t")
    ch.send(spec.Tx.Commit())
    opened.abort()


def amqp_with_a_commit_in_flight(amqp: int, stomp: int, web: int) -> None:
    opened = wire(amqp).open()
    ch = opened.channel()
    ch.select()
    ch.send(spec.Queue.Declare(queue="durable", durable=True))
    for number in range(50):
        ch.publish("durable", b"x" * 1000, properties=spec.Basic.Properties(delivery_mode=2))
        ch.send(spec.Queue.Declare(queue=f"durable{number % 3}", durable=True))
    ch.send(spec.Basic.Consume(queue="durable"))
    opened.abort()


def amqp_replies(amqp: int, stomp: int, web: int) -> None:
    opened = wire(amqp).open()
    ch = opened.channel()
    ch.consume("amq.rabbitmq.reply-to", no_ack=True)
    opened.abort()


# STOMP


def stomp_half_a_frame(amqp: int, stomp: int, web: int) -> None:
    raw(stomp, b"CONNECT\na:" + b"x" * 6000).close()


def stomp_no_frame(amqp: int, stomp: int, web: int) -> None:
    with closing(raw(stomp, b"NONSENSE\n\n\0")) as opened:
        until_closed(opened)


def stomp_log_in_pending(amqp: int, stomp: int, web: int) -> None:
    raw(stomp, b"CONNECT\nhost:/\nlogin:guest\npasscode:wro\\\\ng\n\n\0").close()


def stomp_log_in_refused(amqp: int, stomp: int, web: int) -> None:
    with closing(raw(stomp, b"CONNECT\nhost:/\nlogin:guest\npasscode:wrong\n\n\0")) as opened:
        until_closed(opened)


def _busy(data: Callable[[bytes], bytes]) -> None:
    data(CONNECT)
    data(b"SUBSCRIBE\nid:1\ndestination:/queue/s\nack:client\nreceipt:r1\n\n\0")
    data(b"SUBSCRIBE\nid:2\ndestination:/topic/s\nack:auto\nreceipt:r2\n\n\0")
    data(b"SEND\ndestination:/queue/s\nreceipt:r3\npersistent:true\n\nx\0")
    data(b"BEGIN\ntransaction:t\nreceipt:r4\n\n\0SEND\ndestination:/queue/s\ntransaction:t\n\nx\0")


def _over(opened: socket.socket) -> Callable[[bytes], bytes]:
    def say(frame: bytes) -> bytes:
        opened.sendall(frame)
        return opened.recv(65536)

    return say


def stomp_busy(amqp: int, stomp: int, web: int) -> None:
    with closing(raw(stomp)) as opened:
        _busy(_over(opened))


def stomp_with_a_commit_in_flight(amqp: int, stomp: int, web: int) -> None:
    with closing(raw(stomp)) as opened:
        _busy(_over(opened))
        opened.sendall(b"SEND\ndestination:/queue/s\nreceipt:r6\npersistent:true\n\nx\0COMMIT\ntransaction:t\n\n\0")


def stomp_disconnects(amqp: int, stomp: int, web: int) -> None:
    with closing(raw(stomp)) as opened:
        _busy(_over(opened))
        opened.sendall(b"DISCONNECT\nreceipt:bye\n\n\0")
        until_closed(opened)


def stomp_error(amqp: int, stomp: int, web: int) -> None:
    with closing(raw(stomp)) as opened:
        _busy(_over(opened))
        opened.sendall(b"COMMIT\ntransaction:none\n\n\0")
        until_closed(opened)


def stomp_on_the_port_of_amqp(amqp: int, stomp: int, web: int) -> None:
    with closing(raw(amqp)) as opened:
        _busy(_over(opened))


# WebSocket


def websocket(port: int) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}/ws", subprotocols=["v12.stomp"], proxy=None)  # type: ignore[list-item]


def _within(opened: ClientConnection) -> Callable[[bytes], bytes]:
    def say(frame: bytes) -> bytes:
        opened.send(frame)
        answer = opened.recv(timeout=30)
        return answer if isinstance(answer, bytes) else answer.encode()

    return say


def websocket_half_a_request(amqp: int, stomp: int, web: int) -> None:
    raw(web, b"GET /ws HTTP/1.1\r\nHost: a").close()


def websocket_refused(amqp: int, stomp: int, web: int) -> None:
    with closing(raw(web, b"GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n")) as opened:
        until_closed(opened)


def websocket_open(amqp: int, stomp: int, web: int) -> None:
    with websocket(web):
        pass


def websocket_log_in_refused(amqp: int, stomp: int, web: int) -> None:
    with websocket(web) as opened:
        opened.send(b"CONNECT\nhost:/\nlogin:guest\npasscode:wrong\n\n\0")
        opened.recv(timeout=30)


def websocket_busy(amqp: int, stomp: int, web: int) -> None:
    with websocket(web) as opened:
        _busy(_within(opened))


def websocket_lost(amqp: int, stomp: int, web: int) -> None:
    with websocket(web) as opened:
        _busy(_within(opened))
        opened.socket.shutdown(socket.SHUT_RDWR)


def websocket_bad_text(amqp: int, stomp: int, web: int) -> None:
    with websocket(web) as opened:
        # A text frame, masked with zeros, that is no UTF-8.
        opened.socket.sendall(b"\x81\x81\0\0\0\0\xff")
        # Through the client, whose own thread reads the socket, and closes it.
        with pytest.raises(ConnectionClosed):
            opened.recv(timeout=30)


Scenario = Callable[[int, int, int], None]
SCENARIOS: list[Scenario] = [
    each
    for name, each in list(globals().items())
    if name.startswith(("amqp_", "stomp_", "websocket_")) and callable(each)
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_all_that_a_connection_needed_is_free_when_it_has_ended(run: Run, tmp_path: Path, scenario: Scenario) -> None:
    async def main() -> None:
        config = Config(
            server=ServerConfig(data=str(tmp_path / "data")),
            listener=(ListenerConfig(port=0),),
            stomp=StompConfig(port=0),
            websocket=WebSocketConfig(port=0),
        )
        async with serving(config) as (server, left):
            await asyncio.to_thread(scenario, *server.ports)
            await asyncio.to_thread(come_after, *server.ports)
            await all_free(server, left)

    run(main())


def test_a_connection_too_many_leaves_nothing(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        config = Config(
            server=ServerConfig(data=str(tmp_path / "data")),
            listener=(ListenerConfig(port=0),),
            stomp=StompConfig(port="off"),
            websocket=WebSocketConfig(port="off"),
            limits=LimitsConfig(connections=1),
        )
        async with serving(config) as (server, left):

            def refused(port: int) -> None:
                with closing(raw(port)), closing(raw(port)) as second:
                    until_closed(second)

            await asyncio.to_thread(refused, server.ports[0])
            await all_free(server, left)

    run(main())


def test_a_handshake_that_takes_too_long_leaves_nothing(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        config = Config(
            server=ServerConfig(data=str(tmp_path / "data")),
            listener=(ListenerConfig(port=0),),
            amqp=AmqpConfig(handshake_timeout=0.1),
            stomp=StompConfig(port=0, handshake_timeout=0.1),
            websocket=WebSocketConfig(port="off"),
        )
        async with serving(config) as (server, left):

            def slow(amqp: int, stomp: int) -> None:
                for port, data in ((amqp, b""), (amqp, PROTOCOL_HEADER), (stomp, b"CON"), (stomp, b"CONNECT\n")):
                    with closing(raw(port, data)) as opened:
                        until_closed(opened)

            await asyncio.to_thread(slow, *server.ports)
            await all_free(server, left)

    run(main())


def test_what_is_counted_is_there_while_a_connection_is(run: Run, tmp_path: Path) -> None:
    """The others could not fail otherwise."""

    async def main() -> None:
        config = Config(
            server=ServerConfig(data=str(tmp_path / "data")),
            listener=(ListenerConfig(port=0),),
            stomp=StompConfig(port=0),
            websocket=WebSocketConfig(port=0),
        )
        async with Server(config) as server:
            left = Remains(MADE_OF, SETTINGS)

            def look(amqp: int, stomp: int, web: int) -> Counter[str]:
                opened = wire(amqp).open()
                opened.channel()
                with websocket(web) as other:
                    _busy(_within(other))
                    found = left()
                opened.abort()
                return found

            found = await asyncio.to_thread(look, *server.ports)
            for kind in (
                "Connection",
                "AmqpRequests",
                "Channel",
                "Handshake",
                "CommitBarrier",
                "ManagedOperations",
                "Intake",
            ):
                assert found[kind], found
            for kind in ("StompRequests", "Subscription", "Sending", "WebSocketSession", "ServerProtocol"):
                assert found[kind], found

    run(main())
