"""What the broker's log says of connections: log-ins, errors and ends, in the same words for each protocol."""

from __future__ import annotations

import dataclasses
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.broker import Broker
from tests.support.wire import ChannelClosed, Closed, Wire
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from batonmq.server.refusals import MOST_LINES, SECONDS

EVIL = "x'\n2026-01-01 00:00:00,000 INFO    \x1b[2Jall is well"
SHOWN = re.escape(r'''"x'\n2026-01-01 00:00:00,000 INFO    \x1b[2Jall is well"''')
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"


class Logged:
    """The broker's log as it grows."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.before = len(broker.output())

    @property
    def text(self) -> str:
        """What came since the test began."""
        return self.broker.output()[self.before :]

    def line(self, pattern: str) -> None:
        """Waits for one line that is so, its time aside."""
        deadline = time.monotonic() + 30
        while not any(re.fullmatch(rf"[-\d]+ [:,\d]+ {pattern}", line) for line in self.lines()):
            assert time.monotonic() < deadline, f"no {pattern} in:\n{self.text}"
            time.sleep(0.01)

    def lines(self) -> list[str]:
        return self.text.split("\n")

    def closings(self) -> list[str]:
        """How the lines begin that tell of a connection's end."""
        return re.findall(r"127\.0\.0\.1:\d+: closed: ", self.text)


PEER = r"127\.0\.0\.1:\d+:"
ENDED = r"\(user 'guest', after \d+\.\d s\)"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.terminate()


@pytest.fixture
def logged(broker: Broker) -> Logged:
    return Logged(broker)


@pytest.fixture
def wire(logged: Logged) -> Iterator[Wire]:
    wire = Wire(logged.broker.address)
    yield wire
    wire.abort()


@pytest.fixture
def stomp(logged: Logged) -> Iterator[Callable[..., socket.socket]]:
    opened: list[socket.socket] = []

    def stomp(passcode: str = "guest", client: str = "") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", logged.broker.address.port), timeout=30)
        opened.append(connection)
        extra = f"client-id:{client}\n" if client else ""
        frame = f"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:{passcode}\n{extra}\n\0"
        connection.sendall(frame.encode())
        return connection

    yield stomp
    for connection in opened:
        connection.close()


def test_a_log_in_and_an_orderly_end(logged: Logged, wire: Wire) -> None:
    wire.open(properties={"product": "pika", "version": "1.4", "connection_name": "shop"})
    said = r"user 'guest' logged in to virtual host '/' \(AMQP 0-9-1, 'pika 1\.4', named 'shop'\)"
    logged.line(rf"INFO    {PEER} {said}")
    wire.close()
    logged.line(rf"INFO    {PEER} closed by the client: 200 .* {ENDED}")


def test_a_log_in_without_a_word_about_the_client(logged: Logged, wire: Wire) -> None:
    wire.open(properties={"product": 7, "connection_name": [1]})
    logged.line(rf"INFO    {PEER} user 'guest' logged in to virtual host '/' \(AMQP 0-9-1\)")


def test_what_a_client_calls_itself_stays_in_its_line(logged: Logged, wire: Wire) -> None:
    wire.open(properties={"product": EVIL, "connection_name": EVIL})
    logged.line(rf"INFO    {PEER} user 'guest' logged in .* \(AMQP 0-9-1, {SHOWN}, named {SHOWN}\)")
    with pytest.raises(ChannelClosed):
        wire.channel().queue("no\u202e\x1b[2Jqueue", passive=True)
    logged.line(rf"WARNING {PEER} channel 1 closed: NOT_FOUND - no queue 'no\\u202e\\x1b\[2Jqueue' .*")
    assert "\x1b" not in logged.text


def test_an_error_that_closes_a_channel(logged: Logged, wire: Wire) -> None:
    wire.open()
    with pytest.raises(ChannelClosed):
        wire.channel(3).queue("none", passive=True)
    logged.line(rf"WARNING {PEER} channel 3 closed: NOT_FOUND - no queue 'none' in vhost '/', user 'guest'")


def test_an_error_that_closes_the_connection(logged: Logged, wire: Wire) -> None:
    wire.open()
    ch = wire.channel()
    ch.consume(str(ch.queue(exclusive=True).queue), "tag")
    with pytest.raises(Closed):
        ch.consume("", "tag")
    logged.line(rf"WARNING {PEER} closed: NOT_ALLOWED - attempt to reuse consumer tag 'tag' {ENDED}")
    port = wire.socket.getsockname()[1]
    wire.abort()
    later = Wire(logged.broker.address)
    later.open().close()
    logged.line(rf"INFO    {PEER} closed by the client.*")
    # The connection of the case before may be lost while this one runs.
    assert f":{port}: lost" not in logged.text


def test_a_connection_that_breaks(logged: Logged, wire: Wire) -> None:
    wire.open()
    wire.abort()
    logged.line(rf"WARNING {PEER} lost: the client's side of the connection was closed without a word {ENDED}")


@pytest.mark.parametrize("user", ["nobody-knows", EVIL])
def test_a_refused_log_in(logged: Logged, user: str) -> None:
    wire = Wire(dataclasses.replace(logged.broker.address, user=user, password="secret"))
    with pytest.raises(Closed):
        wire.open()
    wire.abort()
    logged.line(rf"WARNING {PEER} log-in refused for user {SHOWN if user == EVIL else repr(user)}")
    logged.line(rf"WARNING {PEER} closed: Login was refused using authentication mechanism PLAIN\. .*")
    assert "secret" not in logged.text


def test_what_is_no_amqp(logged: Logged, wire: Wire) -> None:
    wire.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
    logged.line(rf"WARNING {PEER} closed: its first bytes, b'GET / HT', are no header of AMQP 0-9-1 \(after .* s\)")


def test_a_probe_is_no_news(logged: Logged, wire: Wire) -> None:
    wire.send_bytes(AMQP_HEADER)
    wire.abort()
    Wire(logged.broker.address).abort()
    last = Wire(logged.broker.address)
    last.open().close()
    logged.line(rf"INFO    {PEER} closed by the client.*")
    assert "gone" not in logged.text


def test_stomp_logs_in_and_leaves(logged: Logged, stomp: Callable[..., socket.socket]) -> None:
    connection = stomp(client="shop")
    logged.line(rf"INFO    {PEER} user 'guest' logged in to virtual host '/' \(STOMP 1\.2, named 'shop'\)")
    connection.sendall(b"DISCONNECT\n\n\0")
    logged.line(rf"INFO    {PEER} closed by the client {ENDED}")


def test_stomp_breaks(logged: Logged, stomp: Callable[..., socket.socket]) -> None:
    connection = stomp()
    logged.line(rf"INFO    {PEER} user 'guest' logged in to virtual host '/' \(STOMP 1\.2\)")
    connection.close()
    logged.line(rf"WARNING {PEER} lost: the client's side of the connection was closed without a word {ENDED}")


def test_a_page_that_is_left_closes_its_websocket_and_that_is_in_order(logged: Logged) -> None:
    url = f"ws://127.0.0.1:{logged.broker.ports['ws']}/ws"
    with connect(url, subprotocols=[Subprotocol("v12.stomp")]) as page:
        page.send("CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0")
        page.recv(timeout=30)
    logged.line(rf"INFO    {PEER} closed by the client {ENDED}")
    assert "WARNING" not in logged.text


def test_stomp_fails(logged: Logged, stomp: Callable[..., socket.socket]) -> None:
    stomp().sendall(b"BURN\n\n\0")
    logged.line(rf"WARNING {PEER} closed: .*BURN.* {ENDED}")


def test_stomp_is_refused(logged: Logged, stomp: Callable[..., socket.socket]) -> None:
    stomp(passcode="secret")
    logged.line(rf"WARNING {PEER} log-in refused for user 'guest'")
    logged.line(rf"WARNING {PEER} closed: Bad CONNECT: Access refused for user 'guest' \(after .* s\)")
    assert "secret" not in logged.text


def test_a_stop_is_nobodys_fault(own_broker: Broker) -> None:
    logged, wire = Logged(own_broker), Wire(own_broker.address)
    wire.open()
    own_broker.terminate([wire])
    logged.line(rf"INFO    {PEER} closed: CONNECTION_FORCED - .*shutdown' {ENDED}")
    assert "WARNING" not in logged.text
    wire.abort()


def test_of_many_clients_that_are_turned_away_before_their_log_in_only_some_are_logged(
    tmp_path: Path,
) -> None:
    broker = Broker(tmp_path)
    broker.start()
    logged = Logged(broker)
    began = time.monotonic()
    try:
        for _ in range(MOST_LINES + 5):
            with socket.create_connection(("127.0.0.1", broker.address.port), timeout=30) as client:
                client.sendall(b"AMQP\x07\x00\x00\x00")
                while client.recv(1000):
                    pass
        # A client is gone before its line is there.
        while len(logged.closings()) < MOST_LINES and time.monotonic() - began <= SECONDS:
            time.sleep(0.01)
        # The number of the others comes ten seconds after the first.
        assert len(logged.closings()) == MOST_LINES or time.monotonic() - began > SECONDS
    finally:
        broker.terminate()
