"""Requests that bring about much output or work: as much is done as there is room for, in turn with others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from pamqp import commands as spec
from tests.server.echo import until
from tests.support.codec import METHOD, encode_frame, encode_method
from tests.support.wire import Address, Channel, Content, Wire
from websockets.sync.client import connect

import batonmq
from batonmq.broker.model import turn_time
from batonmq.protocols.amqp091 import consumer
from batonmq.protocols.sessions.output import OUTPUT_MAX
from batonmq.server.broker_server import Server
from batonmq.server.config import Config, ListenerConfig, ServerConfig, StompConfig, WebSocketConfig
from batonmq.server.connection import SMALL_READ
from batonmq.server.holds import UNREAD
from batonmq.server.outgoing import UNSENT_HIGH, UNSENT_LIMIT

Run = Callable[[Coroutine[object, object, None]], None]

BODY = 300_000
# What may be waiting for a client: what its socket has not taken, a turn's output, and the answer that filled it.
MOST = UNSENT_LIMIT + OUTPUT_MAX + 2 * BODY


@asynccontextmanager
async def serving(data: Path) -> AsyncIterator[Server]:
    config = Config(
        server=ServerConfig(data=str(data)),
        listener=(ListenerConfig(port=0),),
        stomp=StompConfig(port=0),
        websocket=WebSocketConfig(port=0),
    )
    async with Server(config, refusal_seconds=0.01) as server:
        yield server


@contextmanager
def wire(server: Server) -> Iterator[Channel]:
    opened = Wire(Address("127.0.0.1", server.ports[0]), timeout=30)
    try:
        yield opened.open().channel()
    finally:
        opened.abort()


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Channel]:
    opened = wire(server)
    channel = await asyncio.to_thread(opened.__enter__)
    try:
        yield channel
    finally:
        channel.wire.abort()


def framed(*methods: spec.Basic.Get | spec.Basic.Nack | spec.Queue.Declare, channel: int = 1) -> bytes:
    return b"".join(encode_frame(METHOD, channel, encode_method(method)) for method in methods)


def fill(server: Server, count: int) -> None:
    with wire(server) as channel:
        channel.queue("big")
        for _ in range(count):
            channel.publish("big", b"x" * BODY)
        channel.barrier()


class Watch:
    """How much waits for the clients of a server, at most, as long as it is looked at."""

    def __init__(self, server: Server) -> None:
        self.most = 0
        self._server = server
        self._task = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0)

    def look(self) -> None:
        for connection in self._server._sockets.connections._open:
            session = connection._session
            output = sum(map(len, session.output)) if session is not None else 0
            self.most = max(self.most, output + connection._transport.get_write_buffer_size())

    async def until_held(self) -> None:
        """Until a client is no longer read from, as it does not read."""
        connections = self._server._sockets.connections._open
        await until(lambda: any(connection._holds.reasons & UNREAD for connection in connections), 30)
        self.look()

    async def until_full(self) -> None:
        """Until a client's socket takes no more."""
        connections = self._server._sockets.connections._open
        await until(lambda: any(one._transport.get_write_buffer_size() > UNSENT_HIGH for one in connections), 30)

    def end(self) -> int:
        """The most that there was."""
        self._task.cancel()
        return self.most


def test_requests_wait_while_their_client_does_not_read_the_answers(run: Run, tmp_path: Path) -> None:
    pairs = 100

    async def main() -> None:
        async with serving(tmp_path) as server:
            await asyncio.to_thread(fill, server, 1)
            watch = Watch(server)
            async with connected(server) as channel:
                channel.wire.send_bytes(framed(spec.Basic.Get(queue="big"), spec.Basic.Nack(0, True, True)) * pairs)
                await watch.until_held()
                assert watch.end() < MOST
                bodies = await asyncio.to_thread(channel.bodies, pairs)
                assert [len(body) for body in bodies] == [BODY] * pairs
                await asyncio.to_thread(channel.barrier)

    run(main())


def test_peeks_wait_while_their_client_does_not_read_the_answers(run: Run, tmp_path: Path) -> None:
    requests = 30

    def read(channel: Channel) -> list[int]:
        return [len(json.loads(channel.message().body)["messages"]) for _ in range(requests)]

    async def main() -> None:
        async with serving(tmp_path) as server:
            await asyncio.to_thread(fill, server, 4)
            watch = Watch(server)
            async with connected(server) as channel:

                def ask() -> None:
                    channel.consume("amq.rabbitmq.reply-to", no_ack=True)
                    request = json.dumps({"operation": "queues.peek", "queue": "big", "count": 4}).encode()
                    for _ in range(requests):
                        channel.publish(
                            "",
                            request,
                            exchange="batonmq.management",
                            properties=spec.Basic.Properties(reply_to="amq.rabbitmq.reply-to"),
                        )

                await asyncio.to_thread(ask)
                await watch.until_held()
                assert watch.end() < MOST + 4 * BODY
                assert await asyncio.to_thread(read, channel) == [4] * requests

    run(main())


def stomp_frame(command: str, body: bytes = b"", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
    return f"{command}\n{lines}\n".encode() + body + b"\0"


def browse_all(count: int) -> bytes:
    return b"".join(
        stomp_frame("SUBSCRIBE", id=str(number), destination="/queue/big", browser="true") for number in range(count)
    )


def test_browsers_wait_while_their_client_does_not_read(run: Run, tmp_path: Path) -> None:
    browsers = 20

    async def main() -> None:
        async with serving(tmp_path) as server:
            await asyncio.to_thread(fill, server, 5)
            port = next(address.port for address in server.addresses if address.scheme == "stomp")
            watch = Watch(server)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(stomp_frame("CONNECT", accept_version="1.2", host="/", login="guest", passcode="guest"))
            assert (await reader.readuntil(b"\0")).startswith(b"CONNECTED")
            transport = writer.transport
            transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(browse_all(browsers) + stomp_frame("SEND", b"more", destination="/queue/other", receipt="r"))
            await watch.until_full()
            transport.resume_reading()  # type: ignore[attr-defined]
            data = b""
            while data.count(b"browser:end") < browsers or b"receipt-id:r" not in data:
                data += await reader.read(1 << 20)
            assert data.count(b"x" * BODY) == 5 * browsers
            assert watch.end() < MOST
            writer.close()

    run(main())


def test_browsers_wait_while_their_client_does_not_read_through_websocket(run: Run, tmp_path: Path) -> None:
    browsers = 20

    def read(port: int, ready: Callable[[], None]) -> int:
        with connect(f"ws://127.0.0.1:{port}/ws", max_size=None, max_queue=1) as client:
            client.send(stomp_frame("CONNECT", accept_version="1.2", host="/", login="guest", passcode="guest"))
            assert bytes(client.recv(decode=False)).startswith(b"CONNECTED")
            client.send(browse_all(browsers))
            ready()
            ends = seen = 0
            while ends < browsers:
                data = bytes(client.recv(30, decode=False))
                ends += b"browser:end" in data
                seen += b"x" * BODY in data
            return seen

    async def main() -> None:
        async with serving(tmp_path) as server:
            await asyncio.to_thread(fill, server, 5)
            port = next(address.port for address in server.addresses if address.scheme == "ws")
            loop = asyncio.get_running_loop()
            watch = Watch(server)

            def ready() -> None:
                asyncio.run_coroutine_threadsafe(watch.until_full(), loop).result(30)

            assert await asyncio.to_thread(read, port, ready) == 5 * browsers
            assert watch.end() < MOST

    run(main())


@pytest.mark.skipif(batonmq.compiled, reason="numbers that are compiled cannot be replaced")
def test_work_that_says_little_is_done_in_turn_with_that_of_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_time, "SHARE_SECONDS", 0.0)
    count = 200

    async def main() -> None:
        async with serving(tmp_path) as server, connected(server) as channel:
            turns = 0
            end_turn = server.broker.end_turn

            def counted() -> None:
                nonlocal turns
                turns += 1
                end_turn()

            server.broker.end_turn = counted  # type: ignore[method-assign]
            names = [f"q{number}" for number in range(count)]
            channel.wire.send_bytes(framed(*(spec.Queue.Declare(queue=name) for name in names)))

            def answers() -> list[str | None]:
                return [channel.take(spec.Queue.DeclareOk).queue for _ in names]

            assert await asyncio.to_thread(answers) == names
            assert turns >= count

    run(main())


@pytest.mark.skipif(batonmq.compiled, reason="numbers that are compiled cannot be replaced")
def test_many_who_ask_for_much_share_a_turn(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they get of a turn does not grow with their number."""
    for name in ("TURN_SECONDS", "SHARE_SECONDS", "LEAST_SECONDS"):
        monkeypatch.setattr(turn_time, name, 0.0)
    clients, count = 8, 100

    def answers(channel: Channel) -> list[str | None]:
        return [channel.take(spec.Queue.DeclareOk).queue for _ in range(count)]

    async def main() -> None:
        async with serving(tmp_path) as server, AsyncExitStack() as stack:
            channels = [await stack.enter_async_context(connected(server)) for _ in range(clients)]
            turns = 0
            end_turn = server.broker.end_turn

            def counted() -> None:
                nonlocal turns
                turns += 1
                end_turn()

            server.broker.end_turn = counted  # type: ignore[method-assign]
            names = [[f"q{number}-{at}" for at in range(count)] for number in range(clients)]
            for channel, wanted in zip(channels, names, strict=True):
                data = framed(*(spec.Queue.Declare(queue=name) for name in wanted))
                assert len(data) > SMALL_READ
                channel.wire.send_bytes(data)
            found = await asyncio.gather(*(asyncio.to_thread(answers, channel) for channel in channels))
            assert found == names
            assert turns >= clients * count

    run(main())


@pytest.mark.skipif(batonmq.compiled, reason="numbers that are compiled cannot be replaced")
def test_who_wants_little_does_not_stand_in_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TURN_SECONDS", "SHARE_SECONDS", "LEAST_SECONDS"):
        monkeypatch.setattr(turn_time, name, 0.0)
    clients, count = 8, 100

    async def main() -> None:
        async with serving(tmp_path) as server, AsyncExitStack() as stack:
            busy = [await stack.enter_async_context(connected(server)) for _ in range(clients)]
            innocent = await stack.enter_async_context(connected(server))
            queues = server.broker.vhosts["/"].queues
            for number, channel in enumerate(busy):
                names = [f"q{number}-{at}" for at in range(count)]
                channel.wire.send_bytes(framed(*(spec.Queue.Declare(queue=name) for name in names)))
            await until(lambda: bool(queues))
            innocent.wire.send_bytes(framed(spec.Queue.Declare(queue="mine")))
            await until(lambda: "mine" in queues)
            assert len(queues) < clients * count / 2

    run(main())


@pytest.mark.skipif(batonmq.compiled, reason="numbers that are compiled cannot be replaced")
def test_a_client_that_closes_its_side_with_work_left_has_it_done(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_time, "SHARE_SECONDS", 0.0)

    async def main() -> None:
        async with serving(tmp_path) as server:
            port = next(address.port for address in server.addresses if address.scheme == "stomp")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(stomp_frame("CONNECT", accept_version="1.2", host="/", login="guest", passcode="guest"))
            await reader.readuntil(b"\0")
            for number in range(300):
                writer.write(stomp_frame("SEND", b"x", destination=f"/queue/q{number % 7}"))
            writer.write_eof()
            await reader.read()
            queues = server.broker.vhosts["/"].queues
            assert sum(queue.ready_count for queue in queues.values()) == 300
            writer.close()

    run(main())


def test_requests_to_the_management_are_no_part_of_a_transaction(run: Run, tmp_path: Path) -> None:
    """They would all be answered at once when it is committed."""

    async def main() -> None:
        async with serving(tmp_path) as server, connected(server) as channel:

            def ask() -> None:
                channel.call(spec.Tx.Select())
                channel.publish("", b'{"operation": "queues.list"}', exchange="batonmq.management")
                channel.barrier()

            with pytest.raises(Exception, match="cannot be part of a transaction"):
                await asyncio.to_thread(ask)

    run(main())


def test_direct_replies_are_dropped_when_their_client_does_not_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "REPLIES_MAX", 2 << 20)
    replies = 100

    async def main() -> None:
        async with serving(tmp_path) as server, connected(server) as asking, connected(server) as replying:

            def ask() -> None:
                asking.consume("amq.rabbitmq.reply-to", no_ack=True)
                asking.queue("requests")
                properties = spec.Basic.Properties(reply_to="amq.rabbitmq.reply-to")
                asking.publish("requests", b"?", properties=properties)
                asking.barrier()
                found = replying.call(spec.Basic.Get(queue="requests", no_ack=True))
                assert isinstance(found, Content)
                for _ in range(replies):
                    replying.publish(str(found.properties.reply_to), b"x" * BODY)
                replying.barrier()

            watch = Watch(server)
            await asyncio.to_thread(ask)
            watch.look()
            # A turn's replies have that bound, and so has what waits when the socket takes no more.
            assert watch.end() < MOST + 2 * (2 << 20)

    run(main())
