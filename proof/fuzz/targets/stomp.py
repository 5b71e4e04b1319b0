"""STOMP: frames, heads, destinations, headers, and sessions as a whole."""

from __future__ import annotations

from collections.abc import Hashable

from batonmq.broker.selectors.lexer import SelectorError
from batonmq.errors import BrokerError
from batonmq.properties import Properties
from batonmq.protocols.stomp import DIALECTS
from batonmq.protocols.stomp.codec import V10, V11, V12, FrameError, encode_frame, parse_head
from batonmq.protocols.stomp.declaring import arguments_of
from batonmq.protocols.stomp.destinations import parse_destination
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.parser import ERROR, FrameParser
from batonmq.protocols.stomp.properties import properties_of
from proof.fuzz.pieces import cut
from proof.fuzz.sessions.stomp import DESTINATIONS, VALUES, sessions
from proof.fuzz.target import Take, Target, ensure

VERSIONS = (V10, V11, V12, None)
ALL_DIALECTS = tuple(DIALECTS.values())
FRAMES = (
    b"SEND\ndestination:/queue/q\ncontent-length:4\n\nbody\0",
    b"SEND\r\ndestination:/queue/q\r\nreceipt:a\\cb\r\n\r\nbody\0\n\n",
    b"SUBSCRIBE\nid:1\ndestination:/queue/q\nack:client\n\n\0",
    b"CONNECT\naccept-version:1.2\nhost:/\n\n\0",
    b"ACK\nid:1\ntransaction:t\n\n\0\nNACK\nid:1\n\n\0",
)
WORDS = (
    b"\n",
    b"\r\n",
    b"\0",
    b"\n\n",
    b":",
    b"\\n",
    b"\\c",
    b"\\",
    b"content-length:",
    b"receipt:",
    b"SEND\n",
    b"\xff",
)


def _parser() -> FrameParser:
    return FrameParser(max_headers=8, max_head=200, max_body=300)


def _feed(parser: FrameParser, data: bytes, version: str | None) -> list[tuple[object, ...]]:
    """What is understood; a log-in is answered at once."""
    found: list[tuple[object, ...]] = []
    events = parser.feed(data)
    while events:
        found += [
            (head.command, tuple(head.headers.items()), head.is_sized, receipt, body) for head, receipt, body in events
        ]
        if not parser.paused:
            break
        parser.resume(version)
        events = parser.feed(b"")
    return found


def _frames() -> Take:
    def take(data: bytes) -> Hashable:
        if not data:
            return None
        version = VERSIONS[data[0] & 3]
        pieces, whole = _parser(), _parser()
        if data[0] & 4:
            for parser in (pieces, whole):
                parser.resume(version)
        found = [event for piece in cut(data[1:]) for event in _feed(pieces, piece, version)]
        at_once = _feed(whole, data[2:], version)
        outcome = tuple(event[0] if event[0] != ERROR else str(event[4])[:20] for event in at_once[:6])
        for events in (found, at_once):
            if events and events[-1][0] == ERROR:
                # What is wrong may be known before the rest of it has come.
                events[-1] = (ERROR,)
        ensure(found == at_once, f"pieces mean something else: {found!r} and {at_once!r}")
        return outcome

    return take


def _heads() -> Take:
    def take(data: bytes) -> Hashable:
        version = VERSIONS[data[0] & 3] if data else V12
        try:
            head = parse_head(data[1:], version, 20)
        except FrameError as error:
            return str(error)[:20]
        if version in (V11, V12) and head.command not in ("CONNECT", "CONNECTED", "STOMP"):
            made = encode_frame(head.command, head.headers.items(), b"", version)
            again = parse_head(made[: made.index(b"\n\n")], version, 21).headers
            ensure({**head.headers, **again} == again, f"{again!r} comes of {head.headers!r}")
        return head.command[:8], len(head.headers)

    return take


def _destinations() -> Take:
    def take(data: bytes) -> Hashable:
        dialect = ALL_DIALECTS[data[0] % len(ALL_DIALECTS)] if data else ALL_DIALECTS[0]
        text = data[1:].decode(errors="surrogateescape")
        try:
            found = parse_destination(text, dialect, {})
        except StompFailure as error:
            return dialect.name, str(error)[:16]
        for name in (found.exchange, found.routing_key, found.address):
            ensure(len(name.encode(errors="surrogateescape")) <= 255, f"{name!r} is a name")
        return dialect.name, found.kind, found.exchange, found.is_pattern, found.may_be_topic

    return take


def _headers() -> Take:
    """Lines of NAME:VALUE, to whatever reads the headers of SEND and SUBSCRIBE."""

    def take(data: bytes) -> Hashable:
        dialect = ALL_DIALECTS[data[0] % len(ALL_DIALECTS)] if data else ALL_DIALECTS[0]
        lines = data[1:].decode(errors="surrogateescape").split("\n")
        headers = dict(line.split(":", 1) for line in lines if ":" in line)
        outcomes: list[object] = [dialect.name]
        try:
            properties = properties_of(headers, dialect, persistent=True, is_text=bool(len(data) & 1), now=1)
            properties.validate()
            ensure(Properties.decode(properties.raw) == properties, "properties do not come back")
            outcomes.append(properties.flags)
        except (StompFailure, BrokerError) as error:
            outcomes.append(str(error)[:20])
        try:
            outcomes.append(len(arguments_of(headers)))
        except (StompFailure, SelectorError) as error:
            outcomes.append(str(error)[:20])
        return tuple(outcomes)

    return take


TARGETS = (
    Target(
        "stomp.frames",
        "frames in any pieces: they are those of all at once",
        _frames,
        tuple(bytes((kind, size)) + b"".join(FRAMES) for kind in range(8) for size in (20, 130))
        + tuple(b"\x02\x10" + frame for frame in FRAMES),
        WORDS,
        500,
    ),
    Target(
        "stomp.heads",
        "command and headers, and back",
        _heads,
        tuple(bytes((kind,)) + frame.partition(b"\n\n")[0] for kind in range(4) for frame in FRAMES),
        WORDS,
        300,
    ),
    Target(
        "stomp.destinations",
        "destinations by each dialect",
        _destinations,
        tuple(bytes((kind,)) + text.encode() for kind in range(4) for text in DESTINATIONS if len(text) < 100),
        (b"/queue/", b"/topic/", b"/exchange/", b"%", b"::", b"?", b"&", b"://", b"/", b",", b">", b"*", b"\xff"),
        100,
    ),
    Target(
        "stomp.headers",
        "headers as properties and as arguments of queues",
        _headers,
        tuple(
            b"\x01" + f"{name}:{value}".encode(errors="surrogateescape")
            for name, values in VALUES.items()
            for value in values
            if len(value) < 80
        ),
        (b"\n", b":", b"9" * 19, b"true", *(f"\n{name}:".encode() for name in VALUES)),
        300,
    ),
    *sessions(),
)
