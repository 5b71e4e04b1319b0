"""WebSocket: the request that opens it, frames in any pieces, and sessions as a whole."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from batonmq.broker.model.access import User
from batonmq.protocols.sessions.counts import ConnectionCounts
from batonmq.protocols.sessions.standing import FINISHED
from batonmq.server.interface import Host as ServerHost
from batonmq.server.websocket import WebSocketSession
from proof.by_hand import Host
from proof.fuzz.pieces import cut
from proof.fuzz.sessions.websocket import HANDSHAKE, SETTINGS, framed, sessions
from proof.fuzz.target import Take, Target, ensure

WORDS = (
    b"\r\n",
    b"\r\n\r\n",
    b"GET /ws HTTP/1.1\r\n",
    b"Host: ",
    b"Origin: http://127.0.0.1\r\n",
    b"Sec-WebSocket-Key: ",
    b"Sec-WebSocket-Version: 8\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
    b"Sec-WebSocket-Protocol: amqp\r\n",
    b"Upgrade: websocket\r\n",
    b"Content-Length: 5\r\n",
    b"\xff",
)
FRAMES = (
    framed(1, b"text"),
    framed(2, b"octets\xff"),
    framed(1, b"\xc3", fin=False) + framed(9, b"ping") + framed(0, b"\xa9"),
    framed(8, b"\x03\xe8bye"),
    framed(2, b"x" * 300),
    framed(10, b""),
)


class Heard:
    """A session within that only notes what it is given."""

    def __init__(self) -> None:
        self.counts = ConnectionCounts()
        self.output: list[bytes] = []
        self.heard = b""

    def standing(self) -> int:
        return 0

    def needs_flow_control(self) -> bool:
        return False

    def receive(self, data: bytes) -> None:
        self.heard += data

    def go_on(self) -> None:
        return

    def turn_ended(self) -> None:
        return

    def tick(self, now: float) -> float:
        return 1.0

    def writable(self, is_writable: bool, /) -> None:
        return

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        return

    def shutdown(self, reason: str) -> None:
        return

    def connection_lost(self, *, in_order: bool = False) -> None:
        return


def _serve(pieces: Iterable[bytes]) -> tuple[bool, bytes, bytes]:
    """Is it over, what did the session within hear, and what was answered first."""
    made: list[Heard] = []

    def within(_: ServerHost) -> Heard:
        made.append(Heard())
        return made[-1]

    session = WebSocketSession(Host({}), SETTINGS, within, {"amqp": within})
    said = b""
    for piece in pieces:
        session.receive(piece)
        session.turn_ended()
        said += b"".join(session.output)
        session.output.clear()
        if session.standing() & FINISHED:
            break
    is_over = bool(session.standing() & FINISHED)
    session.connection_lost()
    return is_over, made[0].heard if made else b"", said.partition(b"\r\n")[0]


def _streams(before: bytes) -> Take:
    def take(data: bytes) -> Hashable:
        head = [before] if before else []
        # Nothing at all is never read from a socket.
        in_pieces = _serve([*head, *(piece for piece in cut(data) if piece)])
        at_once = _serve([*head, data[1:]] if data[1:] else head)
        # Of what is broken all that came before may be heard, or what came with it is not.
        ensure(in_pieces[0] == at_once[0], f"pieces end otherwise: {in_pieces!r} and {at_once!r}")
        if not at_once[0]:
            ensure(in_pieces == at_once, f"pieces mean something else: {in_pieces!r} and {at_once!r}")
        return at_once[0], at_once[1][:4], at_once[2][:20]

    return take


TARGETS = (
    Target(
        "websocket.handshakes",
        "the HTTP request that opens a WebSocket, in any pieces",
        lambda: _streams(b""),
        (b"\x10" + HANDSHAKE, b"\x90" + HANDSHAKE, b"\x60" + HANDSHAKE + FRAMES[0]),
        WORDS,
        600,
    ),
    Target(
        "websocket.frames",
        "frames in any pieces: the session within hears what it hears of all at once",
        lambda: _streams(HANDSHAKE),
        tuple(bytes((size,)) + frame for size in (3, 130) for frame in (*FRAMES, b"".join(FRAMES))),
        (*(frame[:6] for frame in FRAMES), b"\x81\xfe\xff\xff", b"\x81\xff" + b"\x7f" * 8, b"\x88\x80", b"\xff"),
        400,
    ),
    *sessions(),
)
