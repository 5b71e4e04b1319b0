"""Writes messages of the broker for a client of AMQP 1.0, whatever protocol they came over.

The broker writes header and annotations for each; a message from AMQP 1.0 keeps its bare message and footer byte for
byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.properties import AMQP10_TYPE
from batonmq.protocols.amqp10.codec.sections import NO_BODY, Sections
from batonmq.protocols.amqp10.codec.values import DecodeError
from batonmq.protocols.amqp10.messages.edited import own_sections
from batonmq.protocols.amqp10.messages.foreign import ForeignWriter
from batonmq.protocols.amqp10.messages.framings import AMQP10, OF_AMQP10
from batonmq.protocols.amqp10.messages.headers import first_header, header_section
from batonmq.protocols.amqp10.messages.templates import (
    TEXT,
    TEXT_MARK,
    address_annotations,
    annotations_section,
    foreign_sections,
)

if TYPE_CHECKING:
    from batonmq.message import Message
    from batonmq.properties import Properties
    from batonmq.protocols.amqp10.dialects import Dialect
    from batonmq.queued import QueuedMessage

__all__ = ["MessageWriter", "body_section", "data_head", "has_plain_body"]

_ANNOTATIONS: Final = b"\x00Sr"
# The latest place where a body with nothing before it begins: after a descriptor, a constructor and a length.
_SHORTEST: Final = 8


class MessageWriter:
    """Writes the messages of one link, most of which have the same properties.

    The common part of such messages is built once. CPython 3.11, 16 bytes: 0.5 us for messages from AMQP 1.0, 0.43 us
    for those from another protocol. Messages with their own ids take 0.8 us and 5 us each.
    """

    __slots__ = (
        "_address",
        "_annotations",
        "_before",
        "_dialect",
        "_direct",
        "_exchange",
        "_foreign",
        "_has_plain_body",
        "_header",
        "_is_dead_letter",
        "_merged",
        "_own",
        "_properties",
        "_routing_key",
        "_size",
    )

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._direct = ForeignWriter(dialect)
        # Of the last message.
        self._properties: Properties | None = None
        self._exchange: str | None = None
        self._routing_key: str | None = None
        self._is_dead_letter = False
        # Our annotations alone, and after a header: the part before a payload without annotations.
        self._address = b""
        self._header = b""
        self._own = b""
        # Annotations of a message, and the same with ours.
        self._annotations = _ANNOTATIONS
        self._merged = b""
        # All sections except header and body of a message from another protocol, once they are needed.
        self._foreign: bytes | None = None
        self._has_plain_body = True
        # Everything before a body of that size.
        self._before = b""
        self._size = -1

    def sections(self, queued: QueuedMessage, now: int) -> bytes:
        """The encoded message for delivery; ``now`` in milliseconds of the epoch."""
        message = queued.message
        if (
            message.properties is not self._properties
            or message.routing_key is not self._routing_key
            or message.exchange is not self._exchange
            or message.is_dead_letter is not self._is_dead_letter
        ):
            self._choose(message)
        if queued.returns or queued.expires_at:
            header = header_section(message.properties, queued, now)
            return header + self._first(message)[len(self._header) :]
        return self._first(message)

    def lead(self, batch: list[QueuedMessage]) -> bytes | None:
        """The octets before each payload of a batch, if all messages are from AMQP 1.0 and alike.

        None: they differ, are redelivered, or expire; `sections` writes each one.
        """
        message = batch[0].message
        properties, routing_key, exchange = message.properties, message.routing_key, message.exchange
        if message.is_dead_letter:
            return None
        for queued in batch:
            message = queued.message
            if (
                message.framing is not AMQP10
                or message.properties is not properties
                or message.routing_key is not routing_key
                or message.exchange is not exchange
                or queued.returns
                or queued.expires_at
                or (message.start > _SHORTEST and message.payload.startswith(_ANNOTATIONS))
            ):
                return None
        if (
            properties is not self._properties
            or routing_key is not self._routing_key
            or exchange is not self._exchange
            or self._is_dead_letter
        ):
            self._choose(message)
        return self._own

    def _choose(self, message: Message) -> None:
        """Prepare for messages with these properties, to this address."""
        if message.routing_key is not self._routing_key or message.exchange is not self._exchange:
            self._routing_key = message.routing_key
            self._exchange = message.exchange
            self._address = annotations_section(address_annotations(message))
            self._merged = b""
        self._properties = message.properties
        self._is_dead_letter = message.is_dead_letter
        self._header = first_header(message.properties)
        self._own = self._header + self._address
        self._foreign = None
        self._size = -1

    def _first(self, message: Message) -> bytes:
        """The encoded message for its first delivery, if it never expires."""
        framing = message.framing
        payload = message.payload
        if framing is AMQP10:
            if not payload.startswith(_ANNOTATIONS):
                return self._own + payload
            if not self._merged or not payload.startswith(self._annotations):
                self._merge(message)
            return self._header + self._merged + payload[len(self._annotations) :]
        if framing is not None and framing.code and framing in OF_AMQP10:
            return self._header + own_sections(message)
        size = message.size
        if size != self._size:
            self._choose_size(message, size)
        body = payload if size == len(payload) else payload[message.start : message.start + size]
        if self._has_plain_body:
            return self._before + body
        return self._before + body_section(message.properties, body)

    def _merge(self, message: Message) -> None:
        """Prepare for messages with these annotations."""
        payload = message.payload
        at = Sections(payload).bare_at
        made = own_sections(message)
        self._annotations = payload[:at]
        self._merged = made[: len(made) - len(payload) + at]

    def _choose_size(self, message: Message, size: int) -> None:
        if self._foreign is None:
            self._foreign = self._direct.sections(message.properties.raw, self._address)
            if self._foreign is not None:
                self._has_plain_body = not self._direct.is_text
            else:
                self._foreign = foreign_sections(message, self._dialect, self._address)
                self._has_plain_body = has_plain_body(message.properties)
        self._size = size
        self._before = self._header + self._foreign
        if self._has_plain_body:
            self._before += data_head(size)


def data_head(size: int) -> bytes:
    """The octets before a body that is one section of data."""
    return _sized(b"u\xa0", b"u\xb0", size)


def _sized(short: bytes, wide: bytes, size: int) -> bytes:
    """A descriptor and a constructor with its length."""
    if size <= 255:
        return b"\x00S%b%c" % (short, size)
    return b"\x00S%b%b" % (wide, size.to_bytes(4, "big"))


def _is_text(properties: Properties) -> bool:
    """Was it sent as text, for JMS? JMS expects text as a string, without a content-type."""
    if not properties.mentions(TEXT_MARK.encode()) or properties.content_encoding is not None:
        return False
    return (properties.headers or {}).get(TEXT_MARK) == TEXT


def has_plain_body(properties: Properties) -> bool:
    """Is the body of a message from another protocol just octets?"""
    return properties.type != AMQP10_TYPE and not _is_text(properties)


def body_section(properties: Properties, body: bytes) -> bytes:
    """The body of a text message, or of one that is in sections already; data if the body does not match its type."""
    if properties.type == AMQP10_TYPE:
        if _is_body(body):
            return body
    elif _is_unicode(body):
        return _sized(b"w\xa1", b"w\xb1", len(body)) + body
    return _sized(b"u\xa0", b"u\xb0", len(body)) + body


def _is_body(data: bytes) -> bool:
    """Are these the sections of a body, with or without a footer?"""
    try:
        sections = Sections(data)
        sections.body_values()
        sections.footer()
    except DecodeError:
        return False
    return sections.body_kind != NO_BODY and sections.body_at == 0


def _is_unicode(body: bytes) -> bool:
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
