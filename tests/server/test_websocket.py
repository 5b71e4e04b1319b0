"""A session carried by WebSocket, tried with a client over real sockets, and with frames that no client sends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from proof.by_hand import StillSocket
from tests.server.echo import EchoBroker, EchoSession, EchoStore, config, echo_server, until
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from batonmq.broker.model.access import User
from batonmq.broker.model.sockets import Socket
from batonmq.protocols.sessions.standing import FINISHED, SUSPENDED
from batonmq.server.websocket import FIRST_MESSAGE_SIZE, WebSocketSession
from batonmq.server.websocket_settings import WebSocketSettings

Run = Callable[[Coroutine[object, object, None]], None]
Client = Callable[[ClientConnection], None]

SETTINGS = WebSocketSettings(max_message_size=200_000)


def subprotocols(*names: str) -> list[Subprotocol]:
    return [Subprotocol(name) for name in names]


@pytest.fixture
def serve(run: Run, tmp_path: Path) -> Callable[..., None]:
    """Runs a function of a client, in a thread, against a server of echo sessions through WebSocket."""

    def serve(client: Client, *names: str) -> None:
        def in_thread(port: int) -> None:
            with connect(
                f"ws://127.0.0.1:{port}/ws", subprotocols=subprotocols(*names) or None, open_timeout=30, proxy=None
            ) as connection:
                client(connection)

        async def main() -> None:
            async with echo_server(tmp_path, websocket=SETTINGS) as served:
                await asyncio.to_thread(in_thread, served.port)
                await until(lambda: all(session.is_lost for session in served.sessions))

        run(main())

    return serve


Serve = Callable[..., None]


def closed_with(client: ClientConnection) -> Close | None:
    """How the server has closed."""
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=30)
    return caught.value.rcvd


# ---------------------------------------------------------------------- with a client


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((), None),
        (("v10.stomp", "v12.stomp", "v11.stomp"), "v12.stomp"),
        (("v10.stomp", "v11.stomp"), "v11.stomp"),
        (("mqtt", "v10.stomp"), "v10.stomp"),
    ],
)
def test_the_best_subprotocol_that_both_know_is_taken(serve: Serve, asked: tuple[str, ...], expected: str) -> None:
    def client(connection: ClientConnection) -> None:
        assert connection.subprotocol == expected
        connection.send("hello")
        assert connection.recv(timeout=30) == "hello"

    serve(client, *asked)


def test_who_asks_for_other_subprotocols_only_is_refused(serve: Serve) -> None:
    with pytest.raises(InvalidStatus) as caught:
        serve(lambda _: None, "mqtt")
    assert caught.value.response.status_code == 400


def test_what_is_said_is_of_the_kind_that_the_client_used_last(serve: Serve) -> None:
    def client(connection: ClientConnection) -> None:
        messages: list[str | bytes] = ["text", b"bytes", b"\xff\xfe", "\N{SNOWMAN}"]
        for message in messages:
            connection.send(message)
            assert connection.recv(timeout=30) == message
        # What the session says is no text, though the client speaks in text.
        connection.send("login guest guest")
        assert connection.recv(timeout=30) == "welcome"

    serve(client)


def test_a_message_may_come_in_fragments_with_characters_cut_in_two(serve: Serve) -> None:
    snowman = "\N{SNOWMAN}".encode()

    def client(connection: ClientConnection) -> None:
        connection.send([b"one ", b"two ", b"", b"three"])
        said = b""
        while len(said) < 13:
            said += connection.recv(timeout=30, decode=False)
        assert said == b"one two three"
        connection.send([snowman[:1], snowman[1:] + b"!"], text=True)
        # The first fragment alone is no text; it comes back as what it is.
        said = b""
        while len(said) < 4:
            said += connection.recv(timeout=30, decode=False)
        assert said == snowman + b"!"

    serve(client)


def test_pings_are_answered(serve: Serve) -> None:
    def client(connection: ClientConnection) -> None:
        assert connection.ping(b"there?").wait(20)

    serve(client)


def test_a_session_that_ends_closes_the_websocket_after_its_last_words(serve: Serve) -> None:
    def client(connection: ClientConnection) -> None:
        connection.send("finish")
        assert connection.recv(timeout=30) == "goodbye"
        assert closed_with(connection) == Close(1000, "")

    serve(client)


def test_a_client_may_close(serve: Serve) -> None:
    def client(connection: ClientConnection) -> None:
        connection.close(3000, "enough")
        assert connection.protocol.close_rcvd == Close(3000, "enough")

    serve(client)


def test_a_message_may_be_as_large_as_is_configured_once_the_session_has_answered(serve: Serve) -> None:
    def client(connection: ClientConnection) -> None:
        connection.send(b"x" * FIRST_MESSAGE_SIZE)
        answer = 0
        while answer < FIRST_MESSAGE_SIZE:
            answer += len(connection.recv(timeout=30))
        connection.send("send 0 " + "x" * (SETTINGS.max_message_size - 7))
        connection.send("send 0 " + "x" * (SETTINGS.max_message_size - 6))
        closed = closed_with(connection)
        assert closed is not None
        assert closed.code == 1009

    serve(client)


@pytest.mark.parametrize("fragments", [1, 3])
def test_before_the_session_has_answered_a_message_is_small(serve: Serve, fragments: int) -> None:
    size = FIRST_MESSAGE_SIZE // fragments + 1

    def client(connection: ClientConnection) -> None:
        closed = None
        try:
            # Said to be stored, so that the session answers nothing.
            connection.send([b"store" + b"x" * (size - 5), *[b"x" * size] * (fragments - 1)])
        except ConnectionClosed as error:
            closed = error.rcvd
        closed = closed or closed_with(connection)
        assert closed is not None
        assert closed.code == 1009

    serve(client)


def test_clients_are_told_that_the_broker_stops(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path, websocket=SETTINGS) as served:
            waiting = asyncio.create_task(asyncio.to_thread(wait_for_the_end, served.port))
            await until(lambda: served.sessions)
            await served.server.connections.shutdown("the broker stops", 20)
            assert served.sessions[0].shut_down == "the broker stops"
            assert served.sessions[0].is_lost
            assert await waiting == ("shutdown", Close(1001, ""))

    def wait_for_the_end(port: int) -> tuple[str | bytes, Close | None]:
        with connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as connection:
            return connection.recv(timeout=30), closed_with(connection)

    run(main())


def test_a_session_that_waits_for_the_store_is_given_no_more(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            echo_server(tmp_path, config(store_pending=1 << 30), websocket=SETTINGS) as served,
            connected(served.port) as client,
        ):
            served.store.may_commit.clear()
            client.send("suspend")
            (connection,) = served.server.connections._open
            await until(lambda: connection._holds.reasons)
            assert served.sessions[0].suspended
            client.send("after")
            served.store.may_commit.set()
            assert await asyncio.to_thread(client.recv, 60) == "resumed"
            assert await asyncio.to_thread(client.recv, 60) == "after"
            assert served.sessions[0].pieces == 2

    run(main())


def test_a_client_that_does_not_read_holds_up_what_is_sent_to_it(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path, websocket=SETTINGS) as served, connected(served.port) as client:
            client.send("send 40000000")
            await until(lambda: served.sessions and not served.sessions[0].is_writable)
            assert len(await asyncio.to_thread(client.recv, 60)) == 40_000_000
            await until(lambda: served.sessions[0].is_writable)

    run(main())


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[ClientConnection]:
    """A client that blocks, beside the loop that it talks to."""
    with contextlib.ExitStack() as opened:
        url = f"ws://127.0.0.1:{port}/ws"
        yield await asyncio.to_thread(
            lambda: opened.enter_context(connect(url, open_timeout=30, proxy=None, max_size=None, max_queue=1))
        )
        await asyncio.to_thread(opened.close)


# ---------------------------------------------------------------------- without sockets


class Loopback:
    """A host that notes what it is asked for."""

    peer = "127.0.0.1:1"
    socket: Socket = StillSocket()
    is_loopback = True
    certificate_name = ""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    def resume(self) -> None:
        pass

    def tick_soon(self) -> None:
        pass

    def log_refusal(self, line: str, fields: Mapping[str, object]) -> None:
        raise AssertionError("nobody is turned away here")

    def authenticate(self, user: str, password: str, callback: Callable[[User | None], None]) -> None:
        raise AssertionError("nobody logs in here")

    def log_in_by_certificate(self, callback: Callable[[User | None], None]) -> None:
        raise AssertionError("nobody logs in here")


class Pair:
    """A client's protocol and the server's session, joined by hand."""

    def __init__(self, settings: WebSocketSettings = SETTINGS, *names: str) -> None:
        """``names`` are the subprotocols that the client offers; that of `octets` carries no text."""
        self.host = Loopback()
        self.broker = EchoBroker(EchoStore())
        self.made: list[EchoSession] = []
        self.binary: list[EchoSession] = []
        self.server = WebSocketSession(self.host, settings, self._make, {"octets": self._make_binary})
        self.client = ClientProtocol(parse_uri("ws://127.0.0.1/ws"), subprotocols=subprotocols(*names) or None)
        self.client.send_request(self.client.connect())
        self.exchange()
        assert self.client.state is State.OPEN

    def _make(self, host: object) -> EchoSession:
        self.made.append(EchoSession(self.host, self.broker))
        return self.made[-1]

    def _make_binary(self, host: object) -> EchoSession:
        self.binary.append(self._make(host))
        return self.binary[-1]

    @property
    def echo(self) -> EchoSession:
        (made,) = self.made
        return made

    def send_raw(self, data: bytes) -> None:
        self.server.receive(data)
        self.exchange()

    def exchange(self) -> list[Frame]:
        """What each has to say goes to the other; the frames that the client has then."""
        for data in self.client.data_to_send():
            if data and not self.server.standing() & FINISHED:
                self.server.receive(data)
        self.server.turn_ended()
        said = b"".join(self.server.output)
        self.server.output.clear()
        if said:
            self.client.receive_data(said)
        return [event for event in self.client.events_received() if isinstance(event, Frame)]

    def is_over(self) -> bool:
        """Is the connection to be closed? What the client held is given back then, not when the socket is gone."""
        is_finished = bool(self.server.standing() & FINISHED)
        assert is_finished == self.echo.is_lost
        return is_finished

    def closed_with(self) -> int | None:
        return None if self.client.close_rcvd is None else self.client.close_rcvd.code


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        # RFC 6455, section 5.1: a client's frames are masked.
        (b"\x81\x05Hello", 1002),
        # 5.2: reserved bits and opcodes.
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        # 5.4: a continuation of nothing; a message within another.
        (b"\x80\x80\0\0\0\0", 1002),
        (b"\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b", 1002),
        # 5.5: control frames are short and whole.
        (b"\x09\x80\0\0\0\0", 1002),
        (b"\x89\xfe\x00\x7e\0\0\0\0" + bytes(126), 1002),
        # 7.4.1: codes that are not sent; a close of one byte.
        (b"\x88\x82\0\0\0\0\x03\xed", 1002),
        (b"\x88\x81\0\0\0\0\x03", 1002),
        # 8.1: text that is no UTF-8: at once, and cut short at the end of the message.
        (b"\x81\x81\0\0\0\0\xff", 1007),
        (b"\x81\x81\0\0\0\0\xe2", 1007),
        (b"\x01\x81\0\0\0\0\xe2\x80\x81\0\0\0\0a", 1007),
        # A frame of 2**63 - 1 bytes is refused by its head.
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
    ],
)
def test_a_breach_of_the_protocol_closes_with_its_code(raw: bytes, code: int) -> None:
    pair = Pair()
    pair.send_raw(raw)
    assert pair.closed_with() == code
    assert pair.is_over()


def test_another_subprotocol_is_another_session() -> None:
    pair = Pair(SETTINGS, "octets")
    assert pair.client.subprotocol == "octets"
    assert pair.binary == pair.made
    assert Pair(SETTINGS, "v12.stomp").binary == []
    assert Pair(SETTINGS).binary == []


def test_octets_are_a_stream_in_messages_that_clients_take() -> None:
    """Qpid JMS and protonj2 close the connection for a frame of more than 65,535 octets."""
    pair = Pair(SETTINGS, "octets")
    sent = bytes(range(256)) * 1000
    pair.echo.output.append(sent)
    frames = pair.exchange()
    assert [(frame.opcode, frame.fin, len(frame.data)) for frame in frames] == [
        (Opcode.BINARY, True, 65_535),
        (Opcode.BINARY, True, 65_535),
        (Opcode.BINARY, True, 65_535),
        (Opcode.BINARY, True, 59_395),
    ]
    assert b"".join(frame.data for frame in frames) == sent


def test_what_is_carried_as_octets_is_never_text() -> None:
    pair = Pair(SETTINGS, "octets")
    pair.echo.output.append(b"ascii")
    (frame,) = pair.exchange()
    assert (frame.opcode, bytes(frame.data)) == (Opcode.BINARY, b"ascii")
    pair.client.send_binary(b"ascii")
    (frame,) = pair.exchange()
    assert (frame.opcode, bytes(frame.data)) == (Opcode.BINARY, b"ascii")
    pair.client.send_text(b"ascii")
    pair.exchange()
    assert pair.closed_with() == 1003
    assert pair.is_over()


@pytest.mark.parametrize("size", [1, 2, 5])
def test_frames_may_come_in_any_pieces(size: int) -> None:
    pair = Pair()
    for message in [b"Hello", b"\xe2\x98\x83" * 100]:
        pair.client.send_text(message)
    raw = b"".join(pair.client.data_to_send())
    said = []
    for start in range(0, len(raw), size):
        pair.server.receive(raw[start : start + size])
        said += pair.exchange()
    assert b"".join(bytes(frame.data) for frame in said) == b"Hello" + b"\xe2\x98\x83" * 100


def test_what_is_no_text_comes_as_binary() -> None:
    pair = Pair()
    pair.client.send_text(b"text")
    pair.exchange()
    pair.echo.output.append(b"\xff")
    (frame,) = pair.exchange()
    assert (frame.opcode, bytes(frame.data)) == (Opcode.BINARY, b"\xff")


def test_each_piece_of_output_is_one_message() -> None:
    pair = Pair()
    pair.echo.output += [b"one", b"", b"two"]
    assert [bytes(frame.data) for frame in pair.exchange()] == [b"one", b"two"]


def test_a_silent_client_is_pinged_and_then_taken_for_dead() -> None:
    pair = Pair(WebSocketSettings(ping_interval=10))
    pair.server.tick(100.0)
    pair.server.tick(109.9)
    assert pair.exchange() == []
    pair.server.tick(110.0)
    assert pair.host.woken == 1
    (frame,) = pair.exchange()
    assert frame.opcode is Opcode.PING
    # The pong has been taken by now: the client is asked again ten seconds later.
    pair.exchange()
    pair.server.tick(111.0)
    pair.server.tick(120.9)
    assert pair.exchange() == []
    pair.server.tick(121.0)
    pair.server.turn_ended()  # the ping is lost on its way
    pair.server.output.clear()
    pair.server.tick(130.9)
    assert not pair.is_over()
    pair.server.tick(131.0)
    pair.exchange()
    assert pair.closed_with() == 1011
    assert pair.is_over()


def test_who_is_not_read_from_or_does_not_read_is_not_taken_for_dead() -> None:
    pair = Pair(WebSocketSettings(ping_interval=10))
    pair.server.tick(0.0)
    pair.server.writable(False)
    assert not pair.echo.is_writable
    for now in range(10, 100, 10):
        pair.server.tick(float(now))
    assert pair.exchange() == []
    pair.server.writable(True)
    pair.client.send_text(b"suspend")
    pair.exchange()
    assert pair.server.standing() & SUSPENDED
    for now in range(100, 200, 10):
        pair.server.tick(float(now))
    assert pair.exchange() == []


@pytest.mark.parametrize("interval", [0.0, 10.0])
def test_pings_may_be_off(interval: float) -> None:
    pair = Pair(WebSocketSettings(ping_interval=interval))
    pair.server.tick(0.0)
    pair.server.tick(1.0)
    pair.server.tick(1e6)
    assert len(pair.exchange()) == (1 if interval else 0)


def test_a_session_that_waits_for_the_store_is_let_finish_when_the_client_has_closed() -> None:
    pair = Pair()
    pair.client.send_text(b"suspend")
    pair.client.send_close(1000)
    pair.exchange()
    assert pair.closed_with() == 1000
    assert not pair.is_over()
    pair.echo.go_on()
    pair.server.turn_ended()
    assert pair.is_over()


def test_a_session_that_ends_while_it_waits_closes_the_websocket() -> None:
    """As one does whose log-in takes too long: else its socket, from which nothing is read, would stay for ever."""
    pair = Pair()
    pair.client.send_text(b"suspend")
    pair.exchange()
    pair.echo.shutdown("the handshake was not finished in time")
    pair.exchange()
    assert pair.is_over()
    assert pair.closed_with() == 1000


def test_nothing_that_follows_a_close_is_taken() -> None:
    pair = Pair()
    pair.client.send_text(b"before")
    pair.client.send_close(1000)
    raw = b"".join(pair.client.data_to_send()) + b"\x81\x81\0\0\0\0a"
    pair.send_raw(raw)
    assert pair.echo.received == len(b"before")


def test_what_is_carried_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        pair = Pair()
        pair.client.send_text(b"passcode:hunter2")
        pair.exchange()
        pair.client.send_text(b"hunter2")
        pair.send_raw(b"\x81\x81\0\0\0\0\xff")
    logged = [one for one in caplog.records if not one.name.startswith("websockets.")]
    assert "hunter2" not in "".join(one.getMessage() for one in logged)
    assert [one.getMessage() for one in logged] == [
        "127.0.0.1:1: WebSocket closed: 1007 (invalid frame payload data) text that is not UTF-8"
    ]
