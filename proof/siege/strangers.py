"""What hostile clients do before they have logged in, or instead: half-open connections, handshakes, passwords."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from base64 import b64encode
from collections.abc import Callable

from proof.siege.said import (
    AMQP091,
    AMQP10,
    BASIC,
    GREETINGS,
    SASL,
    client_hello,
    get,
    logged_in,
    sasl_init,
    sasl_plain,
    sasl_response,
    stomp_log_in,
    upgrade,
    web,
)
from proof.siege.siege import Siege, found

__all__ = ["STRANGERS"]

RESET = struct.pack("ii", 1, 0)
# Records of TLS (RFC 8446, section 5.1): a warning, a change of ciphers that TLS 1.3 ignores, data.
WARNING, CHANGE, DATA = b"\x15\x03\x03\0\2\1\0", b"\x14\x03\x03\0\1\1", b"\x17\x03\x03\x01\0"
MECHANISMS = (b"ANONYMOUS", b"EXTERNAL", b"SCRAM-SHA-256", b"LOGIN", b"AMQPLAIN", b"GSSAPI", b"", b"X" * 255)
SHORT = 0.2


def silent(siege: Siege) -> None:
    """Connects and says nothing."""
    siege.hold(siege.open(siege.any()))


def half(siege: Siege) -> None:
    """Says a part of a greeting, be it of TLS, and no more."""
    listener = siege.any()
    greeting = siege.chance.choice(GREETINGS[listener])
    made = siege.open(listener)
    siege.hold(made)
    made.sendall(greeting[: siege.chance.randrange(1, len(greeting))])


def byte_by_byte(siege: Siege) -> None:
    """Says a greeting a byte at a time, to all listeners at once: HTTP's slow loris among them."""
    with contextlib.ExitStack() as leaving:
        each = [
            (leaving.enter_context(siege.open(listener)), siege.chance.choice(GREETINGS[listener]))
            for listener in siege.ports
        ]
        for at in range(400):
            for made, greeting in each:
                with contextlib.suppress(OSError):
                    made.sendall(greeting[at : at + 1])
            time.sleep(0.002)


def bodies_by_the_byte(siege: Siege) -> None:
    """Sends the body of a request of HTTP so slowly that it never ends, with and without a right password."""
    wrong = b64encode(f"guest:{siege.chance.random()}".encode()).decode()
    for authorization in (BASIC, wrong):
        made = siege.open("http", of=siege.guesser())
        siege.hold(made)
        head = f"PUT /api/queues/%2F/x HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {authorization}\r\n"
        made.sendall(f"{head}Content-Length: 1000000\r\n\r\n{{".encode())
    for slow in list(siege.held)[:50]:
        with contextlib.suppress(OSError):
            slow.sendall(b" ")


def cut(siege: Siege) -> None:
    """Leaves in the middle of a frame; every second time with a reset."""
    listener = siege.any()
    greeting = siege.chance.choice(GREETINGS[listener])
    with siege.at(listener) as made:
        made.sendall(greeting + greeting[: siege.chance.randrange(len(greeting))])
        if siege.chance.random() < 0.5:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def reset(siege: Siege) -> None:
    """Connects and resets the connection."""
    with siege.at(siege.any()) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


# TLS


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _shake(made: socket.socket) -> bool:
    """A whole handshake, over a socket that stays as it is, so that anything may be said behind it."""
    taken, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    shaking = _context().wrap_bio(taken, out)
    while True:
        try:
            shaking.do_handshake()
        except ssl.SSLWantReadError:
            made.sendall(out.read())
            more = made.recv(65536)
            if not more:
                return False
            taken.write(more)
        else:
            made.sendall(out.read())
            return True


def shaken(siege: Siege) -> bool:
    """Has a handshake of TLS, and says nothing then."""
    made = siege.open(siege.chance.choice(["tls", "https"]))
    siege.hold(made)
    return _shake(made)


def shakes_and_goes(siege: Siege) -> bool:
    """Has handshakes of TLS, one after another: those who ask pay less than those who answer."""
    done = True
    for _ in range(5):
        with siege.at(siege.chance.choice(["tls", "https"])) as made:
            done &= _shake(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return done


def shaken_wrongly(siege: Siege) -> None:
    """Says nonsense in a handshake and after it: another hello in the clear, warnings without end, data of nobody."""
    nonsense = siege.chance.choice([client_hello(), WARNING * 5_000, CHANGE * 5_000, DATA + bytes(256), bytes(10_000)])
    made = siege.open(siege.chance.choice(["tls", "https"]))
    siege.hold(made)
    made.settimeout(SHORT)
    with contextlib.suppress(OSError):
        if siege.chance.random() < 0.5:
            _shake(made)
        else:
            made.sendall(client_hello())
        made.sendall(nonsense)


# Passwords


def wrong_passwords(siege: Siege) -> bool:
    """Tries a wrong password in every way that there is, from one address and from hundreds; is HTTP's answered?"""
    wrong = f"wrong{siege.chance.random()}"
    said = {
        "amqp": siege.chance.choice([logged_in(wrong), sasl_plain(wrong)]),
        "stomp": stomp_log_in(wrong),
        "web": siege.chance.choice(
            [upgrade() + web(stomp_log_in(wrong)), upgrade("amqp") + web(sasl_plain(wrong), binary=True)]
        ),
        "http": get("/api/overview", b64encode(f"guest:{wrong}".encode()).decode()),
    }
    opened = {listener: siege.open(listener, of=siege.guesser()) for listener in said}
    for listener, made in opened.items():
        siege.hold(made)
        made.sendall(said[listener])
    return found(opened["http"], b" 401 ")


def mechanisms(siege: Siege) -> None:
    """Logs in over AMQP 1.0 by what is not offered, with responses that nobody asked for, plain and over WebSocket."""
    response = siege.chance.choice([None, b"", b"n,,n=guest,r=x", bytes(5_000)])
    greeting = sasl_init(siege.chance.choice(MECHANISMS), response)
    greeting += sasl_response(b"x" * siege.chance.randrange(100)) * siege.chance.randrange(20)
    if siege.chance.random() < 0.5:
        listener, data = "amqp", greeting
    else:
        listener, data = "web", upgrade("amqp") + web(greeting, binary=True)
    made = siege.open(listener, of=siege.guesser())
    siege.hold(made)
    made.settimeout(SHORT)
    with contextlib.suppress(OSError):
        made.sendall(data)


# Sizes


def huge(siege: Siege) -> None:
    """Declares frames, bodies and messages that are larger than any memory."""
    said = {
        "amqp": siege.chance.choice(
            [
                AMQP091 + b"\1\0\0\xff\xff\xff\xff",
                AMQP10 + b"\xff\xff\xff\xf0\2\0\0\0",
                SASL + b"\xff\xff\xff\xf0\2\1\0\0",
            ]
        ),
        "stomp": stomp_log_in() + b"SEND\ndestination:/queue/x\ncontent-length:999999999999\n\n",
        "web": upgrade() + web(b"", declared=2**62),
        "http": f"POST /api/definitions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {BASIC}\r\n".encode()
        + b"Content-Length: 999999999999\r\n\r\n{",
    }
    listener = siege.chance.choice(list(said))
    made = siege.open(listener)
    siege.hold(made)
    made.settimeout(SHORT)
    with contextlib.suppress(OSError):
        made.sendall(said[listener] + bytes(200_000))


def long_headers(siege: Siege) -> None:
    """Sends headers without an end."""
    said = {
        "stomp": b"CONNECT\n" + b"a:" + b"x" * 1_000_000,
        "web": b"GET /ws HTTP/1.1\r\nX: " + b"x" * 1_000_000,
        "http": b"GET /api/overview HTTP/1.1\r\n" + b"X: y\r\n" * 200_000,
        "amqp": AMQP091 + b"\1\0\0\0\x10\0\0" + b"x" * 1_000_000,
    }
    listener = siege.chance.choice(list(said))
    with siege.at(listener) as made:
        made.settimeout(SHORT)
        made.sendall(said[listener])


STRANGERS: dict[Callable[[Siege], bool | None], float] = {
    silent: 0.005,
    half: 0.005,
    byte_by_byte: 0.1,
    bodies_by_the_byte: 0.05,
    cut: 0.01,
    reset: 0.005,
    shaken: 0.02,
    shakes_and_goes: 0.05,
    shaken_wrongly: 0.02,
    wrong_passwords: 0.05,
    mechanisms: 0.02,
    huge: 0.05,
    long_headers: 0.1,
}
"""Each with the seconds between two rounds."""
