"""What a client costs before it has logged in, as SECURITY.md states it: of a broker in a process of its own."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from proof.siege.said import client_hello
from tests.support.broker import Broker
from tests.support.certificates import Certificates

from batonmq.server import passwords

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc"),
    pytest.mark.usefixtures("at_full_cost"),
]

MANY = 200
WARM = 50
HALF_A_MINUTE = 30.0

AMQP091, SASL = b"AMQP\0\0\x09\x01", b"AMQP\3\1\0\0"
# By what is said: the listener, all that is kept of a client that stops there, and the KiB that it may cost.
SAID: dict[str, tuple[str, bytes, float]] = {
    "nothing": ("amqp", b"", 8),
    "a part of a header": ("amqp", b"AMQ", 8),
    "TLS, a hello": ("amqps", client_hello(), 128),
    "AMQP 0-9-1, a part of a frame": ("amqp", AMQP091 + b"\1\0\0\0\0\x1f\xf0" + b"x" * 8000, 32),
    "AMQP 1.0, a part of a frame": ("amqp", SASL + b"\0\0\x1f\xf0\2\1\0\0" + b"x" * 8000, 32),
    "STOMP, headers": ("stomp", b"CONNECT\n" + b"a:bcdefgh\n" * 6_000, 128),
    "WebSocket, a part of a request": ("ws", b"GET /ws HTTP/1.1\r\n" + b"X: yyyy\r\n" * 3_500, 64),
    "HTTP, a part of a request": ("http", b"GET /api/overview HTTP/1.1\r\n" + b"X: yyyyyyyyyyyyyyyy\r\n" * 3_000, 128),
}


# What is answered at once.
WORDS = {"http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "amqps": client_hello()}

CONFIG = """
[tls]
certificate = "{certificates}/server.pem"
key = "{certificates}/server.key"
amqps_port = 0
handshake_timeout = 120.0
[amqp]
handshake_timeout = 120.0
[management]
tls_port = "off"
connections = 1000
[stomp]
tls_port = "off"
[websocket]
tls_port = "off"
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    certificates = Certificates(tmp_path / "certificates")
    made = Broker(tmp_path, CONFIG.format(certificates=certificates.folder))
    made.start()
    yield made
    assert made.terminate() == 0
    assert "Traceback" not in made.output()


def resident(broker: Broker) -> int:
    """In KiB."""
    assert broker.process is not None
    status = Path(f"/proc/{broker.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


@contextmanager
def standing(broker: Broker, listener: str, said: bytes, count: int) -> Iterator[None]:
    """So many clients that have said this; all of it was read."""
    with ExitStack() as leaving:
        for _ in range(count):
            made = leaving.enter_context(socket.create_connection(("127.0.0.1", broker.ports[listener]), HALF_A_MINUTE))
            made.sendall(said)
        wait_until_read(broker, listener)
        yield


def wait_until_read(broker: Broker, listener: str) -> None:
    """A client that came later is answered or thrown out: the broker has read what came before."""
    with socket.create_connection(("127.0.0.1", broker.ports[listener]), HALF_A_MINUTE) as last:
        last.sendall(WORDS.get(listener, b"NONSENSE\r\n\r\n\0"))
        last.recv(1000)


@pytest.mark.parametrize("what", SAID)
def test_what_is_kept_of_a_client_that_stops_half_way(broker: Broker, what: str) -> None:
    listener, said, most = SAID[what]
    # What the first ones need is needed once.
    with standing(broker, listener, said, WARM):
        before = resident(broker)
        with standing(broker, listener, said, MANY):
            each = (resident(broker) - before) / MANY
    assert each < most, f"{each:.1f} KiB each"


def test_the_check_of_a_password_takes_16_mib() -> None:
    # RFC 7914, section 2: the memory is 128 times r times N octets, for each p.
    assert 128 * passwords.N * passwords.R * passwords.P == 16 * 1024 * 1024


def test_the_check_of_a_password_takes_less_than_a_tenth_of_a_second_of_a_processor() -> None:
    stored = passwords.hash_password("sesame")
    took = []
    for _ in range(3):
        began = time.thread_time()
        passwords.verify_password("wrong", stored)
        took.append(time.thread_time() - began)
    # Three times as much: a processor that others use as well is slower.
    assert min(took) < 0.3
