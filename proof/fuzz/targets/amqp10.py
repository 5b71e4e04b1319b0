"""AMQP 1.0: frames, values, performatives, messages, filters, addresses; sessions as a whole, from both sides."""

from __future__ import annotations

from collections.abc import Hashable

from batonmq.broker.routing.direct_replies import Nobody
from batonmq.protocols.amqp10 import DIALECTS
from batonmq.protocols.amqp10.codec import performatives as of
from batonmq.protocols.amqp10.codec.composites import COMPOSITES, decode_composite, encode_composite
from batonmq.protocols.amqp10.codec.constants import ERROR
from batonmq.protocols.amqp10.codec.decoding import decode, skip
from batonmq.protocols.amqp10.codec.encoding import encode
from batonmq.protocols.amqp10.codec.frames import FrameParser
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import DecodeError, Described, Symbol
from batonmq.protocols.amqp10.failures import LinkFailure
from batonmq.protocols.amqp10.messages.incoming import MessageReader
from batonmq.protocols.amqp10.messages.outgoing import MessageWriter
from batonmq.protocols.amqp10.nodes.addresses import AddressError, parse_address
from batonmq.protocols.amqp10.nodes.filters import read_filters
from batonmq.queued import QueuedMessage
from proof.by_hand import HandClock
from proof.fuzz.choices import Choices
from proof.fuzz.pieces import cut
from proof.fuzz.sessions import amqp10_client
from proof.fuzz.sessions.amqp10 import (
    ADDRESSES,
    AMQP_HEADER,
    BEGIN,
    BODIES,
    COORDINATOR,
    CREDIT,
    FILTERS,
    LOG_IN,
    RECEIVER,
    SASL_HEADER,
    SENDER,
    frame_of,
    message,
    sessions,
)
from proof.fuzz.target import Take, Target, ensure

ALL_DIALECTS = tuple(DIALECTS.values())
TRANSFER = encode_composite(of.Transfer(handle=0, delivery_id=0, delivery_tag=b"t", message_format=0))
FRAMES = (SENDER, RECEIVER, COORDINATOR, CREDIT, BEGIN, frame_of(TRANSFER + BODIES[0], 0) * 3)
CODES = b"\x40\x41\x42\x43\x44\x45\x50\x51\x52\x53\x54\x55\x56\x60\x61\x70\x71\x72\x73\x74\x80\x81\x82\x83\x84\x94\x98"
WORDS = (
    *(bytes((code,)) for code in CODES + b"\xa0\xa1\xa3\xb0\xb1\xb3\xc0\xc1\xd0\xd1\xe0\xf0\x00"),
    *(b"\x00\x53" + bytes((code,)) for code in range(0x10, 0x19)),
    *(b"\x00\x53" + bytes((code,)) for code in range(0x23, 0x2A)),
    *(b"\x00\x53" + bytes((code,)) for code in range(0x70, 0x79)),
)
_SOME: tuple[object, ...] = (
    None, True, 5, 1 << 40, "text", b"octets", [1, "a", None], {"a": [1], "b": {}}, 1.5, -1, [[[[]]]],
)  # fmt: skip
VALUES = tuple(encode(value) for value in _SOME)
MESSAGES = tuple(message(Choices(bytes((kind, *range(kind // 2, 140))))) for kind in range(0, 256, 5))


def _frames() -> Take:
    def take(data: bytes) -> Hashable:
        pieces, whole = FrameParser(2048), FrameParser(2048)
        found = [event for piece in cut(data) for event in pieces.feed(piece)]
        at_once = whole.feed(data[1:])
        ensure(repr(found) == repr(at_once), f"pieces mean something else: {found!r} and {at_once!r}")
        return tuple(event[0] if event[0] != ERROR else event[2][:24] for event in at_once[:8])

    return take


def _values() -> Take:
    def take(data: bytes) -> Hashable:
        try:
            value, end = decode(data)
        except DecodeError as error:
            return str(error)[:20]
        ensure(end <= len(data), "a value ends beyond what there is")
        try:
            ensure(skip(data, 0, len(data)) == end, "what is skipped ends elsewhere")
        except DecodeError as error:
            # Only a descriptor that has a descriptor of its own cannot be skipped.
            ensure("0x00" in str(error), f"it cannot be skipped: {error}")
        again, _ = decode(encode(value))
        ensure(repr(again) == repr(value), f"{again!r} comes of {value!r}")
        return type(value), repr(value)[:6]

    return take


def _performatives() -> Take:
    def take(data: bytes) -> Hashable:
        try:
            value, end = decode_composite(data)
        except DecodeError as error:
            return str(error)[:40]
        ensure(end <= len(data), "a composite value ends beyond what there is")
        again, _ = decode_composite(encode_composite(value))
        ensure(repr(again) == repr(value), f"{again!r} comes of {value!r}")
        return value.CODE

    return take


def _messages() -> Take:
    readers = [MessageReader(HandClock(), dialect) for dialect in ALL_DIALECTS]
    writers = [MessageWriter(dialect) for dialect in ALL_DIALECTS]

    def take(data: bytes) -> Hashable:
        number = data[0] % len(readers) if data else 0
        data = data[1:]
        try:
            read = readers[number].read(data, "", "q")
        except DecodeError as error:
            return str(error)[:30]
        read.properties.validate()
        for writer in writers:
            written = writer.sections(QueuedMessage(read, Nobody(), 0), 1_700_000_000_000)
            Sections(written)
        return read.properties.flags, read.size

    return take


def _filters() -> Take:
    def take(data: bytes) -> Hashable:
        try:
            source, _ = decode_composite(b"\x00\x53\x28" + data)
        except DecodeError as error:
            return str(error)[:20]
        if not isinstance(source, of.Source):
            return None
        try:
            found = read_filters(source.filter, is_topic=bool(len(data) & 1))
        except LinkFailure as error:
            return str(error)[:30]
        return found.selector is not None, found.is_deaf, len(found.in_force)

    return take


def _addresses() -> Take:
    def take(data: bytes) -> Hashable:
        dialect = ALL_DIALECTS[data[0] % len(ALL_DIALECTS)] if data else ALL_DIALECTS[0]
        try:
            found = parse_address(data[1:].decode(errors="replace"), dialect, ("topic",) if len(data) & 1 else ())
        except AddressError as error:
            return str(error)[-16:]
        return dialect.name, found.kind, found.exchange, found.may_be_topic

    return take


def _sources() -> tuple[bytes, ...]:
    """Fields of sources with a filter each."""
    return tuple(
        encode_composite(of.Source(address="q", filter={Symbol("f"): Described(Symbol(text), value)}))[3:]
        for text, value in FILTERS
    )


TARGETS = (
    Target(
        "amqp10.frames",
        "frames in any pieces: the events are those of all at once",
        _frames,
        (
            b"\x10" + LOG_IN + BEGIN + b"".join(FRAMES),
            b"\x91" + LOG_IN + BEGIN + b"".join(FRAMES),
            *(b"\x10" + AMQP_HEADER + frame for frame in FRAMES),
        ),
        (*WORDS, AMQP_HEADER, SASL_HEADER),
        700,
    ),
    Target("amqp10.values", "values of every type, and back", _values, VALUES, WORDS, 300),
    Target(
        "amqp10.performatives",
        "performatives and other composite types, and back",
        _performatives,
        tuple(frame[8:] for frame in FRAMES)
        + tuple(cls.PREFIX + b"\x45" for cls in dict.fromkeys(COMPOSITES.values())),
        WORDS,
        300,
    ),
    Target(
        "amqp10.messages",
        "the sections of a message, as they are kept, and as they go out by each dialect",
        _messages,
        tuple(bytes((number % 4,)) + made for number, made in enumerate(MESSAGES)),
        WORDS,
        500,
    ),
    Target("amqp10.filters", "the filters of a source, selectors and SQL among them", _filters, _sources(), WORDS, 300),
    Target(
        "amqp10.addresses",
        "addresses by each dialect",
        _addresses,
        tuple(bytes((kind,)) + text.encode() for kind in range(4) for text in ADDRESSES if text and len(text) < 100),
        (b"/queues/", b"/exchanges/", b"%", b"::", b"://", b"/", b"topic", b"\xff"),
        100,
    ),
    *sessions(),
    *amqp10_client.sessions(),
)
