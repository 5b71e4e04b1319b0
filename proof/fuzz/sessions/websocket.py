"""WebSocket: frames of every kind, whole and broken, around what clients of STOMP say."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final, cast

from batonmq.protocols.sessions.session import Session
from batonmq.protocols.stomp import stomp_session
from batonmq.protocols.stomp.parser import Event
from batonmq.server.interface import Host as ServerHost
from batonmq.server.websocket import WebSocketSession
from batonmq.server.websocket_settings import WebSocketSettings
from proof.by_hand import Host
from proof.fuzz.choices import Choices
from proof.fuzz.sessions.stomp import StompAttack
from proof.fuzz.target import Take, Target

__all__ = ["HANDSHAKE", "MASK", "SETTINGS", "framed", "sessions"]

SETTINGS: Final = WebSocketSettings(max_message_size=5_000, ping_interval=2.0)
HANDSHAKE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: v12.stomp, v11.stomp\r\n\r\n"
)
MASK: Final = b"\x01\x00\x20\x00"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
OPCODES: Final = (TEXT, TEXT, BINARY, BINARY, 0, 0, CLOSE, PING, PONG, 3, 7, 11, 15)


def framed(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, mask: bytes = MASK) -> bytes:
    """A frame of a client (RFC 6455, section 5.2); without a mask it is one that no client may send."""
    size = len(payload)
    marked = 0x80 if mask else 0
    head = bytes((0x80 * fin | rsv << 4 | opcode,))
    if size < 126:
        head += bytes((marked | size,))
    else:
        head += bytes((marked | 126,)) + size.to_bytes(2, "big")
    if not mask:
        return head + payload
    keys = mask * (size // 4 + 1)
    return head + mask + bytes(byte ^ key for byte, key in zip(payload, keys, strict=False))


class WebSocketAttack(StompAttack):
    """A client of STOMP that connects through WebSocket."""

    opening = HANDSHAKE

    def connect(self, host: Host) -> Session[Event]:
        def within(host: ServerHost) -> Session[Event]:
            return stomp_session(self.broker, host, self.settings)

        # All that the attack asks of a session it has, too.
        return cast("Session[Event]", WebSocketSession(host, SETTINGS, within))

    def carried(self, data: bytes) -> bytes:
        return framed(BINARY, data)

    def steps(self) -> Iterator[bytes]:
        choices = self.choices
        yield HANDSHAKE if not choices.chance(40) else HANDSHAKE[: choices.byte()] + choices.octets(8)
        for said in super().steps():
            kind = choices.byte()
            if kind < 120:
                yield framed(TEXT if kind & 1 else BINARY, said)
            elif kind < 170:
                yield from self._fragments(said)
            elif kind < 190:
                yield framed(choices.one_of((PING, PONG, CLOSE)), choices.octets(choices.below(130)))
            elif kind < 210:
                yield framed(choices.one_of(OPCODES), said, fin=choices.chance(2), rsv=choices.below(8))
            elif kind < 215:
                yield framed(TEXT, said, mask=b"")
            elif kind < 222:
                # A head that promises more than ever comes.
                yield bytes((0x80 | choices.one_of(OPCODES), 0xFF)) + choices.octets(12)
            elif kind < 235:
                yield framed(TEXT, said) + choices.octets(1 + choices.below(32))
            else:
                yield framed(TEXT, said) * (1 + choices.below(20))

    def _fragments(self, said: bytes) -> Iterator[bytes]:
        """One message in pieces, with what may stand between them."""
        choices = self.choices
        step = 1 + choices.below(64)
        pieces = [said[at : at + step] for at in range(0, len(said), step)] or [b""]
        made = b""
        for number, piece in enumerate(pieces):
            made += framed(0 if number else TEXT, piece, fin=number == len(pieces) - 1)
            if choices.chance(8):
                made += framed(PING, piece[:100])
        yield made


def _make() -> Take:
    def take(data: bytes) -> Hashable:
        return WebSocketAttack(Choices(data)).run()

    return take


def sessions() -> tuple[Target, ...]:
    """The targets."""
    seeds = tuple(bytes((version, dialect, 0, *range(dialect, 250, 7))) for version in (1, 2) for dialect in range(4))
    about = "whole sessions of STOMP through WebSocket: frames and fragments of every kind, after the handshake"
    return (Target("websocket.session", about, _make, seeds, longest=600, is_session=True),)
