"""What clients say first, to each listener, and by what an answer shows that they are in."""

from __future__ import annotations

import contextlib
import ssl
import struct
from base64 import b64encode
from functools import cache

from pika import frame, spec

__all__ = [
    "AMQP091",
    "AMQP10",
    "BASIC",
    "GREETINGS",
    "INSIDE",
    "SASL",
    "client_hello",
    "get",
    "logged_in",
    "methods",
    "sasl_init",
    "sasl_plain",
    "sasl_response",
    "stomp_log_in",
    "upgrade",
    "web",
]

AMQP091, AMQP10, SASL = b"AMQP\0\0\x09\x01", b"AMQP\0\1\0\0", b"AMQP\3\1\0\0"
BASIC = b64encode(b"guest:guest").decode()


def methods(*methods: spec.amqp_object.Method, channel: int = 1) -> bytes:
    """Frames of AMQP 0-9-1."""
    return b"".join(frame.Method(channel, method).marshal() for method in methods)


def logged_in(password: str = "guest") -> bytes:
    """A log-in over AMQP 0-9-1 that waits for nothing, and a channel."""
    answer = spec.Connection.StartOk({}, "PLAIN", f"\0guest\0{password}", "en_US")
    opened = methods(answer, spec.Connection.TuneOk(2047, 131072, 0), spec.Connection.Open("/"), channel=0)
    return AMQP091 + opened + methods(spec.Channel.Open())


def sasl_init(mechanism: bytes, response: bytes | None) -> bytes:
    """A log-in over AMQP 1.0's SASL (sasl-init, part 5.3.3.2), with or without a first response."""
    fields = b"\xa3" + bytes([len(mechanism)]) + mechanism
    fields += b"\x40" if response is None else b"\xb0" + struct.pack(">I", len(response)) + response
    return SASL + _sasl_frame(b"\x41", 2, fields)


def _sasl_frame(code: bytes, count: int, fields: bytes) -> bytes:
    body = b"\0\x53" + code + b"\xd0" + struct.pack(">II", len(fields) + 4, count) + fields
    return struct.pack(">IBBH", 8 + len(body), 2, 1, 0) + body


def sasl_response(response: bytes) -> bytes:
    """An answer to a challenge (sasl-response, part 5.3.3.4), whether there was one or not."""
    return _sasl_frame(b"\x43", 1, b"\xb0" + struct.pack(">I", len(response)) + response)


def sasl_plain(password: str) -> bytes:
    """A log-in by PLAIN."""
    return sasl_init(b"PLAIN", f"\0guest\0{password}".encode())


def stomp_log_in(password: str = "guest") -> bytes:
    """CONNECT."""
    return f"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:{password}\n\n\0".encode()


def upgrade(subprotocol: str = "") -> bytes:
    """HTTP's way to WebSocket."""
    asked = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    return (
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"{asked}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


def web(data: bytes, declared: int | None = None, *, binary: bool = False) -> bytes:
    """A message over WebSocket, with a mask of zeros (RFC 6455, 5.2)."""
    size = len(data) if declared is None else declared
    return (b"\x82" if binary else b"\x81") + b"\xff" + struct.pack(">Q", size) + b"\0\0\0\0" + data


def get(path: str, authorization: str = BASIC) -> bytes:
    """A request of HTTP."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {authorization}\r\n\r\n".encode()


@cache
def client_hello() -> bytes:
    """What a client of TLS says first (RFC 8446, section 4.1.2)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    out = ssl.MemoryBIO()
    shaking = context.wrap_bio(ssl.MemoryBIO(), out)
    with contextlib.suppress(ssl.SSLWantReadError):
        shaking.do_handshake()
    return out.read()


GREETINGS = {
    "amqp": [logged_in(), sasl_plain("guest"), AMQP10, stomp_log_in()],
    "stomp": [stomp_log_in()],
    "web": [upgrade() + web(stomp_log_in()), upgrade("amqp") + web(sasl_plain("guest"), binary=True)],
    "http": [get("/api/overview")],
    "tls": [client_hello()],
    "https": [client_hello()],
}
"""By the listener."""

INSIDE: list[tuple[str, bytes, bytes]] = [
    ("amqp", logged_in(), methods(spec.Connection.OpenOk(), channel=0)[7:11]),
    ("amqp", sasl_plain("guest"), b"\0\x53\x44"),
    ("amqp", stomp_log_in(), b"CONNECTED"),
    ("stomp", stomp_log_in(), b"CONNECTED"),
    ("web", upgrade() + web(stomp_log_in()), b"CONNECTED"),
    ("web", upgrade("amqp") + web(sasl_plain("guest"), binary=True), b"\0\x53\x44"),
    ("http", get("/api/overview"), b"200 OK"),
]
"""A listener, a log-in, and what is in the answer once it is done."""
