"""AMQP 0-9-1: frames, methods, field tables, properties, and sessions as a whole."""

from __future__ import annotations

import itertools
from collections.abc import Hashable

from batonmq.field_decoding import decode_table
from batonmq.field_encoding import encode_table
from batonmq.fields import FieldError, FieldValue
from batonmq.properties import Properties
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.constants import CONTENT, ERROR, METHOD, PUBLISH
from batonmq.protocols.amqp091.encoder import HEARTBEAT_FRAME, ack_frame, encode_frame, method_frame
from batonmq.protocols.amqp091.method_codec import FrameSyntaxError, UnknownMethod, decode_method, encode_method
from batonmq.protocols.amqp091.methods import METHODS
from batonmq.protocols.amqp091.parser import Event, FrameParser
from proof.fuzz.pieces import cut
from proof.fuzz.sessions import amqp091_client
from proof.fuzz.sessions.amqp091 import sessions
from proof.fuzz.target import Take, Target, ensure

PROPERTIES = Properties.make(
    content_type="text/plain",
    headers={"a": 1, "b": "text", "c": [True, None, 1.5], "x-delay": 10, "CC": ["q"]},
    delivery_mode=2,
    priority=5,
    correlation_id="c",
    expiration="1000",
    timestamp=1_700_000_000,
)
TABLE: dict[str, FieldValue] = {"a": 1, "b": "text", "c": [True, None, 1.5, 1 << 40], "d": {"e": b"\xff", "f": {}}}
MOST_BODY = 4096


def content(body: bytes, channel: int = 1, properties: Properties = PROPERTIES) -> bytes:
    """Header and body."""
    header = b"\x00\x3c\x00\x00" + len(body).to_bytes(8, "big") + properties.raw
    return encode_frame(2, channel, header) + (encode_frame(3, channel, body) if body else b"")


def publish(body: bytes, channel: int = 1) -> bytes:
    """A publish to the queue ``q``."""
    return method_frame(channel, methods.BasicPublish(routing_key="q")) + content(body, channel)


def _frames() -> Take:
    def take(data: bytes) -> Hashable:
        pieces, whole = (FrameParser(MOST_BODY, MOST_BODY, opened=True) for _ in range(2))
        found = [shown for piece in cut(data) for event in pieces.feed(piece) for shown in _shown(event)]
        at_once = whole.feed(data[1:])
        ensure(found == [shown for event in at_once for shown in _shown(event)], "pieces mean something else")
        return tuple(event[0] if event[0] != ERROR else event[3][:24] for event in itertools.islice(at_once, 8))

    return take


def _shown(event: Event) -> list[tuple[object, ...]]:
    """What it says, one by one; a content is the same wherever it lies in what was read."""
    if event[0] == PUBLISH:
        for message in event[3]:
            message.properties.validate()
        return [(PUBLISH, event[1], repr(event[2]), message.properties.raw, message.body) for message in event[3]]
    if event[0] == CONTENT:
        event[3].validate()
        return [(CONTENT, event[1], repr(event[2]), event[3].raw, event[4])]
    if event[0] == METHOD:
        return [(METHOD, event[1], repr(event[2]))]
    return [event]


def _methods() -> Take:
    def take(data: bytes) -> Hashable:
        try:
            method = decode_method(data)
        except UnknownMethod:
            return 0
        except FrameSyntaxError as error:
            return error.index, error.code
        again = decode_method(encode_method(method))
        ensure(repr(again) == repr(method), f"{again!r} comes of {method!r}")
        return method.INDEX

    return take


def _tables() -> Take:
    def take(data: bytes) -> Hashable:
        try:
            table, end = decode_table(data, 0, len(data))
        except FieldError as error:
            return str(error)[:20]
        ensure(4 <= end <= len(data), "a table ends beyond what there is")
        again, _ = decode_table(made := encode_table(table), 0, len(made))
        ensure(repr(again) == repr(table), f"{again!r} comes of {table!r}")
        return tuple(type(value) for value in itertools.islice(table.values(), 4))

    return take


def _properties() -> Take:
    names = ("content_type", "content_encoding", "delivery_mode", "correlation_id", "reply_to", "expiration",
             "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id")  # fmt: skip

    def take(data: bytes) -> Hashable:
        try:
            properties = Properties.decode(data)
            properties.validate()
        except FieldError as error:
            return str(error)[:20]
        values = [getattr(properties, name) for name in names]
        ensure(properties.replace().raw is not None, "nothing changed makes nothing")
        if all(_is_unicode(value) for value in values):
            again = properties.replace(priority=7, headers={"x": 1})
            ensure(again.priority == 7 and again.headers == {"x": 1}, "a change is lost")
            ensure([getattr(again, name) for name in names] == values, "what was not changed is lost")
        return properties.flags

    return take


def _is_unicode(value: object) -> bool:
    return not isinstance(value, str) or not any(0xD800 <= ord(character) < 0xE000 for character in value)


ALL_METHODS = tuple(encode_method(cls()) for cls in METHODS.values())
TARGETS = (
    Target(
        "amqp091.frames",
        "frames in any pieces: the events are those of all at once",
        _frames,
        (
            b"\x00" + publish(b"body") * 3 + ack_frame(1, 1, multiple=False),
            b"\x85" + publish(b"body") + publish(b"") + HEARTBEAT_FRAME + publish(bytes(100), 2),
            *(b"\x10" + encode_frame(1, 1, method) for method in ALL_METHODS),
        ),
        (
            b"\xce",
            HEARTBEAT_FRAME,
            b"\x00\x3c\x00\x28",
            b"\x00\x3c\x00\x50",
            b"\x01\x00\x01",
            b"\x02\x00\x01",
            b"\x03\x00\x01",
        ),
        600,
    ),
    Target("amqp091.methods", "the payload of a method frame, and back", _methods, ALL_METHODS, (b"\x00" * 4,), 300),
    Target(
        "amqp091.tables",
        "field tables, and back",
        _tables,
        (encode_table(TABLE), encode_table({}), encode_table({"deep": [[[[]]]], "x": {"y": {"z": {}}}})),
        (b"F", b"A", b"S", b"t", b"D", b"T", b"x", b"V", b"\x00\x00\x00\x00", b"\x01aF\x00\x00\x00\x08"),
        300,
    ),
    Target(
        "amqp091.properties",
        "the properties of a message, and a change of them",
        _properties,
        (PROPERTIES.raw, b"\x00\x00", Properties.make(message_id="m", user_id="u", app_id="a", type="t").raw),
        (b"\xff\xfc", b"\x00\x01", b"\x20\x00"),
        200,
    ),
    *sessions(),
    *amqp091_client.sessions(),
)
