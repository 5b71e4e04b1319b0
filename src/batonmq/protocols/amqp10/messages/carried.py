"""Messages as a client sends and receives them: properties of AMQP 0-9-1 with a body, to sections of 1.0 and back.

They are converted like a message from another protocol (`templates`, `heads`), whatever the broker is. So nothing is
lost on the way through a broker that keeps annotations and properties unchanged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from batonmq.properties import Properties
from batonmq.protocols.amqp10.codec.performatives import Header
from batonmq.protocols.amqp10.codec.sections import Sections, decode_header
from batonmq.protocols.amqp10.codec.values import Symbol, UByte, UInt, encode
from batonmq.protocols.amqp10.dialects import SPEC
from batonmq.protocols.amqp10.messages.foreign import ForeignWriter
from batonmq.protocols.amqp10.messages.headers import UINT_MAX
from batonmq.protocols.amqp10.messages.incoming import MessageReader
from batonmq.protocols.amqp10.messages.outgoing import body_section, data_head, has_plain_body
from batonmq.protocols.amqp10.messages.tables import BASIC
from batonmq.protocols.amqp10.messages.templates import annotations_section, properties_as_sections

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.clock import Clock

__all__ = ["Carried", "CarriedReader", "CarriedWriter", "reply_to_of"]

_HEADER: Final = b"\x00Sp"
_NONE: Final[Mapping[str, object]] = {}
_CACHED: Final = 64
# The annotation with the time to live that a message was sent with: milliseconds, in digits.
_EXPIRATION: Final = f"{BASIC}expiration"


class CarriedWriter:
    """Writes messages for one broker. Those with the same properties share everything but their bodies."""

    __slots__ = ("_before", "_dialect", "_foreign", "_head", "_is_plain", "_properties", "_size")

    def __init__(self, queue_prefix: str = "") -> None:
        """``queue_prefix``: the prefix that makes a queue's name an address, in reply-to."""
        self._dialect = replace(SPEC, temporary_queue=queue_prefix)
        self._foreign = ForeignWriter(self._dialect)
        # Of the last message.
        self._properties: Properties | None = None
        self._head = b""
        self._is_plain = True
        # Everything before a body of that size.
        self._before = b""
        self._size = -1

    def sections(self, properties: Properties, body: bytes, annotations: Mapping[str, object] = _NONE) -> bytes:
        """Encode a message. ``annotations``: message-annotations besides those from its headers.

        Raises EncodeError.
        """
        if annotations:
            head = self._headed(properties, annotations)
            if has_plain_body(properties):
                return head + data_head(len(body)) + body
            return head + body_section(properties, body)
        if properties is not self._properties:
            self._head = self._headed(properties, annotations)
            self._is_plain = has_plain_body(properties)
            self._properties = properties
            self._size = -1
        if not self._is_plain:
            return self._head + body_section(properties, body)
        size = len(body)
        if size != self._size:
            self._before = self._head + data_head(size)
            self._size = size
        return self._before + body

    def _headed(self, properties: Properties, annotations: Mapping[str, object]) -> bytes:
        """All sections before the body."""
        address = b""
        if (expiration := properties.expiration) is not None:
            # An intermediary replaces the ttl by the remaining one (part 3 §3.2.1).
            annotations = {**annotations, _EXPIRATION: expiration}
        if annotations:
            address = b"\x00Sr" + encode({Symbol(name): value for name, value in annotations.items()})
        made = self._foreign.sections(properties.raw, address)
        if made is None:
            found, rest = properties_as_sections(properties, self._dialect, is_dead_letter=False)
            found.update({Symbol(name): value for name, value in annotations.items()})
            made = (annotations_section(found) if found else b"") + rest
        return _header_of(properties) + made


def _header_of(properties: Properties) -> bytes:
    """The header that a sender writes (part 3 §3.2.1)."""
    expiration = properties.expiration
    ttl = None
    if expiration is not None and expiration.isascii() and expiration.isdigit():
        ttl = UInt(min(int(expiration), UINT_MAX))
    # The default would be 4, more than that of a message with priority 1 in the API.
    return Header(durable=properties.persistent, priority=UByte(properties.priority), ttl=ttl).encoded()


class Carried(NamedTuple):
    """A received message."""

    properties: Properties
    body: bytes
    delivery_count: int
    """How often it failed before (part 3 §3.2.1); 0 if the broker does not say."""
    first_acquirer: bool
    """Is this its first receiver, as far as the broker says?"""


class CarriedReader:
    """Reads messages of one link."""

    __slots__ = ("_counts", "_reader")

    def __init__(self, clock: Clock) -> None:
        self._reader = MessageReader(clock, SPEC)
        # By the octets of a header.
        self._counts: dict[bytes, tuple[int, bool]] = {}

    def read(self, data: bytes) -> Carried:
        """Decode a message. Raises DecodeError."""
        message = self._reader.read(data, "", "")
        start = message.start
        properties = message.properties
        if properties.expiration is not None:
            sent = Sections(data).message_annotations().get(_EXPIRATION)
            if isinstance(sent, str):
                properties = properties.replace(expiration=sent)
        count, first = self._counted(data)
        return Carried(properties, message.payload[start : start + message.size], count, first)

    def _counted(self, data: bytes) -> tuple[int, bool]:
        if not data.startswith(_HEADER):
            sections = Sections(data)
            return _count_of(sections.header())
        # A list of up to 255 octets, which is all that a header needs.
        if data[3] == 0xC0:
            raw = data[3 : 5 + data[4]]
            found = self._counts.get(raw)
            if found is None:
                if len(self._counts) >= _CACHED:
                    self._counts.clear()
                found = self._counts[raw] = _count_of(decode_header(data, 3, len(data)))
            return found
        return _count_of(decode_header(data, 3, len(data)))


def _count_of(header: Header | None) -> tuple[int, bool]:
    if header is None:
        return 0, True
    # If absent, it is false by the specification; but most brokers that omit it send messages for the first time.
    return header.delivery_count or 0, header.first_acquirer is not False


def reply_to_of(data: bytes) -> str | None:
    """The reply-to of a message, unchanged. Raises DecodeError."""
    properties = Sections(data).properties()
    return properties.reply_to if properties is not None else None
