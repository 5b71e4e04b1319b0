"""What hostile clients do: a table of attacks, each a round that is done again and again.

They come from an address of their own, so that a limit on failed log-ins keeps out them and nobody else.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pika import frame, spec

__all__ = ["ATTACKS", "Siege"]

HERE, THERE = "127.0.0.2", "127.0.0.1"
WAIT = 5.0
HELD = 1_500
"""Connections that one attack holds open at once."""
AMQP091, AMQP10, SASL = b"AMQP\0\0\x09\x01", b"AMQP\0\1\0\0", b"AMQP\3\1\0\0"
RESET = struct.pack("ii", 1, 0)
BASIC = b64encode(b"guest:guest").decode()


@dataclass
class Siege:
    """Where to attack, and what is held open."""

    ports: dict[str, int]
    """By the listener: amqp, stomp, web, http, and tls where there is one."""
    chance: random.Random
    held: deque[socket.socket] = field(default_factory=deque)

    def open(self, listener: str) -> socket.socket:
        """A connection to a listener; OSError when it is not to be had."""
        return socket.create_connection((THERE, self.ports[listener]), WAIT, (HERE, 0))

    @contextlib.contextmanager
    def at(self, listener: str) -> Iterator[socket.socket]:
        """A connection for the block."""
        with self.open(listener) as made:
            yield made

    def any(self) -> str:
        """A listener."""
        return self.chance.choice(list(self.ports))

    def hold(self, made: socket.socket) -> None:
        """Keep it open, until there are too many."""
        self.held.append(made)
        while len(self.held) > HELD:
            self.held.popleft().close()

    def leave(self) -> None:
        """Close all that is held."""
        while self.held:
            self.held.pop().close()


# What a client says first, by the listener.


def _methods(*methods: spec.amqp_object.Method, channel: int = 1) -> bytes:
    return b"".join(frame.Method(channel, method).marshal() for method in methods)


def _logged_in(password: str = "guest") -> bytes:
    """A log-in over AMQP 0-9-1 that waits for nothing, and a channel."""
    answer = spec.Connection.StartOk({}, "PLAIN", f"\0guest\0{password}", "en_US")
    opened = _methods(answer, spec.Connection.TuneOk(0, 131072, 0), spec.Connection.Open("/"), channel=0)
    return AMQP091 + opened + _methods(spec.Channel.Open())


def _sasl_plain(password: str) -> bytes:
    """A log-in over AMQP 1.0's SASL (sasl-init, part 5.3.3.2)."""
    response = f"\0guest\0{password}".encode()
    fields = b"\xa3\x05PLAIN" + b"\xa0" + bytes([len(response)]) + response
    body = b"\0\x53\x41\xc0" + bytes([len(fields) + 1, 2]) + fields
    return SASL + struct.pack(">IBBH", 8 + len(body), 2, 1, 0) + body


def _stomp_log_in(password: str = "guest") -> bytes:
    return f"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:{password}\n\n\0".encode()


def _upgrade() -> bytes:
    return (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )


def _web(data: bytes, declared: int | None = None) -> bytes:
    """A text message over WebSocket, with a mask of zeros (RFC 6455, 5.2)."""
    size = len(data) if declared is None else declared
    return b"\x81\xff" + struct.pack(">Q", size) + b"\0\0\0\0" + data


def _get(path: str, authorization: str = BASIC) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {authorization}\r\n\r\n".encode()


GREETINGS = {
    "amqp": [_logged_in(), _sasl_plain("guest"), AMQP10, _stomp_log_in()],
    "stomp": [_stomp_log_in()],
    "web": [_upgrade() + _web(_stomp_log_in())],
    "http": [_get("/api/overview")],
    "tls": [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)],
}


# Attacks


def silent(siege: Siege) -> None:
    """Connects and says nothing."""
    siege.hold(siege.open(siege.any()))


def half(siege: Siege) -> None:
    """Says a part of a greeting and no more."""
    listener = siege.any()
    greeting = siege.chance.choice(GREETINGS[listener])
    made = siege.open(listener)
    siege.hold(made)
    made.sendall(greeting[: siege.chance.randrange(1, len(greeting))])


def byte_by_byte(siege: Siege) -> None:
    """Says a greeting a byte at a time, to several listeners at once: HTTP's slow loris among them."""
    each = [(siege.open(listener), siege.chance.choice(GREETINGS[listener])) for listener in siege.ports]
    with contextlib.ExitStack() as leaving:
        for made, _ in each:
            leaving.enter_context(made)
        for at in range(400):
            for made, greeting in each:
                with contextlib.suppress(OSError):
                    made.sendall(greeting[at : at + 1])
            time.sleep(0.002)


def never_reads(siege: Siege) -> None:
    """Asks for far more than it reads: pages of the HTTP API, deliveries, answers."""
    listener = siege.chance.choice(["amqp", "http", "stomp"])
    made = siege.open(listener)
    siege.hold(made)
    made.settimeout(0.2)
    asked = {
        "amqp": _logged_in() + _methods(spec.Basic.Get(queue="siege.big", no_ack=False)) * 2_000,
        "http": _get("/api/exchanges") * 500,
        "stomp": _stomp_log_in() + b"SUBSCRIBE\nid:0\ndestination:/queue/siege.big\n\n\0" + b"\n" * 100,
    }
    with contextlib.suppress(OSError):
        made.sendall(asked[listener])


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


def comes_and_goes(siege: Siege) -> None:
    """Logs in, waits for an answer, and is away."""
    listener = siege.any()
    with siege.at(listener) as made:
        made.sendall(GREETINGS[listener][0])
        made.recv(1000)


def channels(siege: Siege) -> None:
    """Opens as many channels as there may be."""
    with siege.at("amqp") as made:
        made.sendall(_logged_in() + b"".join(_methods(spec.Channel.Open(), channel=at) for at in range(2, 2047)))
        _read_some(made)


def consumers(siege: Siege) -> None:
    """Subscribes a thousand times to one queue."""
    begun = [spec.Queue.Declare(queue="siege.consumed", auto_delete=True)]
    begun += [spec.Basic.Consume(queue="siege.consumed", consumer_tag=f"c{at}") for at in range(1_000)]
    with siege.at("amqp") as made:
        made.sendall(_logged_in() + _methods(*begun))
        _read_some(made)


def declares(siege: Siege) -> None:
    """Declares queues of its own, hundreds at a time, which go with its connection."""
    name = f"siege.{siege.chance.getrandbits(32):x}"
    with siege.at("amqp") as made:
        made.sendall(
            _logged_in() + _methods(*(spec.Queue.Declare(queue=f"{name}.{at}", exclusive=True) for at in range(300)))
        )
        _read_some(made)


def bindings(siege: Siege) -> None:
    """Binds a queue by hundreds of patterns that fit everything, and publishes."""
    name = f"siege.{siege.chance.getrandbits(32):x}"
    words = ["#", "*", "a", "#"]
    begun: list[spec.amqp_object.Method] = [spec.Queue.Declare(queue=name, exclusive=True)]
    begun += [
        spec.Queue.Bind(
            queue=name, exchange="amq.topic", routing_key=".".join(siege.chance.choice(words) for _ in range(60))
        )
        for _ in range(300)
    ]
    publish = _methods(spec.Basic.Publish(exchange="amq.topic", routing_key=".".join("a" * 100)))
    publish += frame.Header(1, 1, spec.BasicProperties()).marshal() + frame.Body(1, b"x").marshal()
    with siege.at("amqp") as made:
        made.sendall(_logged_in() + _methods(*begun) + publish * 20)
        _read_some(made)


def wrong_passwords(siege: Siege) -> None:
    """Tries a wrong password in every way that there is."""
    wrong = f"wrong{siege.chance.random()}"
    said = {
        "amqp": siege.chance.choice([_logged_in(wrong), _sasl_plain(wrong)]),
        "stomp": _stomp_log_in(wrong),
        "web": _upgrade() + _web(_stomp_log_in(wrong)),
        "http": _get("/api/overview", b64encode(f"guest:{wrong}".encode()).decode()),
    }
    for listener, greeting in said.items():
        made = siege.open(listener)
        siege.hold(made)
        made.sendall(greeting)


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
        "stomp": _stomp_log_in() + b"SEND\ndestination:/queue/x\ncontent-length:999999999999\n\n",
        "web": _upgrade() + _web(b"", declared=2**62),
        "http": f"POST /api/definitions HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {BASIC}\r\n".encode()
        + b"Content-Length: 999999999999\r\n\r\n{",
    }
    listener = siege.chance.choice(list(said))
    made = siege.open(listener)
    siege.hold(made)
    made.settimeout(0.2)
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
        made.settimeout(0.2)
        made.sendall(said[listener])


def _read_some(made: socket.socket) -> None:
    made.settimeout(0.5)
    with contextlib.suppress(OSError):
        for _ in range(20):
            if not made.recv(65536):
                return


# Each with the seconds between two rounds.
ATTACKS: dict[Callable[[Siege], None], float] = {
    silent: 0.005,
    half: 0.005,
    byte_by_byte: 0.1,
    never_reads: 0.5,
    cut: 0.01,
    reset: 0.005,
    comes_and_goes: 0.02,
    channels: 0.5,
    consumers: 0.5,
    declares: 0.5,
    bindings: 0.5,
    wrong_passwords: 0.1,
    huge: 0.05,
    long_headers: 0.1,
}
