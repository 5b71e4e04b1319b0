"""What a client of HTTP or of TLS needed is free when it has gone, without the collector of circles.

As tests/server/test_freed.py for the others: the collector looks at old objects seldom, and a siege leaves thousands.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.support.certificates import Certificates
from tests.support.freed import Remains, without_collector
from tests.support.managed import SECONDS, ManagedServer, a_config
from tests.support.waiting import until

from batonmq.server.config import ManagementConfig

# What connections are made of.
MADE_OF = (
    "batonmq.management.http.connection",
    "batonmq.server.connection",
    "batonmq.server.entrance",
    "batonmq.server.log_ins",
    "h11._",
    "starlette.requests",
    "uvicorn.protocols.",
)
# What all connections share.
SHARED = ("HttpServer", "ConnectionContext", "Connections", "Entrance", "LogIns")
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[ManagedServer]:
    config = a_config(tls=certificates.config(), management=ManagementConfig(tls_port=0))
    with ManagedServer(Path(tmp_path_factory.mktemp("data")), config) as served:
        yield served


@pytest.fixture(scope="module")
def remains(server: ManagedServer) -> Remains:
    """What is there without clients is no remainder of one."""
    return Remains(MADE_OF, SHARED)


@pytest.fixture
def is_left(remains: Remains) -> Iterator[Callable[[], Counter[str]]]:
    """What is there that was not before."""
    with without_collector():
        yield remains


def request(password: str = "guest", more: str = "", line: str = "GET /api/whoami") -> bytes:
    proof = base64.b64encode(f"guest:{password}".encode()).decode()
    return f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {proof}\r\n{more}\r\n".encode()


def reset(opened: socket.socket) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def until_closed(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while opened.recv(65536):
            pass


# Over HTTP


def says_nothing(opened: socket.socket) -> None:
    """Leaves."""


def resets(opened: socket.socket) -> None:
    reset(opened)


def half_a_head(opened: socket.socket) -> None:
    opened.sendall(request()[:-9])


def no_http(opened: socket.socket) -> None:
    opened.sendall(b"\0\1\2 nonsense\r\n\r\n")
    until_closed(opened)


def is_answered(opened: socket.socket) -> None:
    opened.sendall(request())
    assert b" 200 " in opened.recv(65536)


def is_answered_and_resets(opened: socket.socket) -> None:
    # The library's timer of idle connections would hold it for more than a minute.
    is_answered(opened)
    reset(opened)


def half_a_body(opened: socket.socket) -> None:
    opened.sendall(request(more="Content-Length: 1000\r\n", line="PUT /api/queues/%2F/x") + b"{")


def half_a_body_and_resets(opened: socket.socket) -> None:
    half_a_body(opened)
    reset(opened)


def too_large_a_body(opened: socket.socket) -> None:
    opened.sendall(request(more="Content-Length: 999999999999\r\n", line="PUT /api/queues/%2F/x") + b"{")
    assert b" 413 " in opened.recv(65536)


def too_large_a_body_in_pieces(opened: socket.socket) -> None:
    opened.sendall(request(more="Transfer-Encoding: chunked\r\n", line="PUT /api/queues/%2F/x"))
    for _ in range(40):
        opened.sendall(b"2000\r\n" + bytes(0x2000) + b"\r\n")
    assert b" 413 " in opened.recv(65536)


def pipelines(opened: socket.socket) -> None:
    opened.sendall(request() * 50)
    opened.recv(100)


def wrong_password(opened: socket.socket) -> None:
    opened.sendall(request("wrong"))
    assert b" 401 " in opened.recv(65536)


def leaves_while_a_password_is_looked_at(opened: socket.socket) -> None:
    opened.sendall(request("other"))


# Over TLS


def half_a_hello(opened: socket.socket) -> None:
    opened.sendall(b"\x16\x03\x01\x02\0\1\0")


def no_tls(opened: socket.socket) -> None:
    opened.sendall(b"GET / HTTP/1.1\r\n\r\n")
    until_closed(opened)


def handshake(opened: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(opened)


def shaken(opened: socket.socket) -> None:
    handshake(opened).close()


def shaken_and_reset(opened: socket.socket) -> None:
    made = handshake(opened)
    reset(made)
    made.close()


def shaken_and_wrong(opened: socket.socket) -> None:
    made = handshake(opened)
    bare = socket.socket(fileno=made.detach())
    with closing(bare):
        bare.sendall(b"\x17\x03\x03\x01\0" + bytes(256))
        until_closed(bare)


Scenario = Callable[[socket.socket], None]
PLAIN: list[Scenario] = [
    says_nothing,
    resets,
    half_a_head,
    no_http,
    is_answered,
    is_answered_and_resets,
    half_a_body,
    half_a_body_and_resets,
    too_large_a_body,
    too_large_a_body_in_pieces,
    pipelines,
    wrong_password,
    leaves_while_a_password_is_looked_at,
]
SECRET: list[Scenario] = [says_nothing, resets, half_a_hello, no_tls, shaken, shaken_and_reset, shaken_and_wrong]


def come_after(server: ManagedServer, port: str) -> None:
    """Return when the server has seen all who came before to that port."""
    with closing(socket.create_connection(("127.0.0.1", server.ports[port]), SECONDS)) as opened:
        said = opened if port == "http" else handshake(opened)
        with closing(said):
            said.sendall(b"NONSENSE\r\n\r\n")
            until_closed(said)


@pytest.mark.parametrize(
    ("port", "scenario"),
    [
        *(("http", each) for each in PLAIN),
        *(("https", each) for each in SECRET),
        *(("amqps", each) for each in SECRET),
    ],
)
def test_all_that_a_client_needed_is_free_when_it_has_gone(
    server: ManagedServer, is_left: Callable[[], Counter[str]], port: str, scenario: Scenario
) -> None:
    for _ in range(3):
        with closing(socket.create_connection(("127.0.0.1", server.ports[port]), SECONDS)) as opened:
            scenario(opened)
    come_after(server, port)
    with contextlib.suppress(AssertionError):
        until(lambda: not is_left(), 30)
    assert not is_left()


def test_what_is_counted_is_there_while_a_client_is(server: ManagedServer, is_left: Callable[[], Counter[str]]) -> None:
    """The others could not fail otherwise."""
    with ExitStack() as leaving:
        for port, scenario in (("http", half_a_body), ("https", half_a_hello)):
            opened = socket.create_connection(("127.0.0.1", server.ports[port]), SECONDS)
            leaving.enter_context(closing(opened))
            scenario(opened)
        until(lambda: {"HttpConnection", "RequestResponseCycle", "Arrival", "Request"} <= set(is_left()))
