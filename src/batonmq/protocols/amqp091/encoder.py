"""Encodes methods and messages to bytes, for either role: frames (AMQP 0-9-1 section 4.2.3) and contents (4.2.6)."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, Final

from batonmq.properties import EMPTY
from batonmq.protocols.amqp091.constants import (
    BASIC,
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_OVERHEAD,
)
from batonmq.protocols.amqp091.framing import ChannelFrames, frames_on
from batonmq.protocols.amqp091.method_codec import encode_method, encode_shortstr
from batonmq.protocols.amqp091.methods import BasicDeliver, Method

if TYPE_CHECKING:
    from batonmq.message import Message
    from batonmq.properties import Properties
    from batonmq.queued import QueuedMessage

__all__ = [
    "HEARTBEAT_FRAME",
    "DeliverPrefix",
    "ack_frame",
    "append_deliveries",
    "content_frames",
    "deliver_prefix",
    "encode_frame",
    "method_frame",
]

_frame_head = struct.Struct(">BHI").pack
_header_fields = struct.Struct(">HHQ").pack
_ack_fields = struct.Struct(">BHIHHQBB").pack
_END: Final = bytes((FRAME_END,))
# The octets after the first seven of a delivery tag: its last octet, and redelivered. Built once, not per delivery.
_FIRST_TIME: Final = tuple(bytes((octet, 0)) for octet in range(256))
# So many messages of one size, up to that size, are written in one piece.
_ALIKE: Final = 8
_ALIKE_OCTETS: Final = 2048
_LAST_OCTETS: Final = bytes(range(256))
_AGAIN: Final = tuple(bytes((octet, 1)) for octet in range(256))


def encode_frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Any frame: type, channel, length, payload, end."""
    return b"%b%b%b" % (_frame_head(kind, channel, len(payload)), payload, _END)


def method_frame(channel: int, method: Method) -> bytes:
    """A method in its frame. Raises FieldError where a value does not fit."""
    return encode_frame(FRAME_METHOD, channel, encode_method(method))


def ack_frame(channel: int, delivery_tag: int, *, multiple: bool) -> bytes:
    """basic.ack in its frame: what ``method_frame`` makes of it, in 0.4 us instead of 2.3."""
    return _ack_fields(FRAME_METHOD, channel, 13, BASIC, 80, delivery_tag, multiple, FRAME_END)


HEARTBEAT_FRAME: Final = encode_frame(FRAME_HEARTBEAT, 0, b"")


def content_frames(channel: int, message: Message, frame_max: int) -> bytes:
    """The content header and the body of a message, in frames of at most ``frame_max`` bytes (0: no limit).

    A message that came in one piece, with frames that are small enough, is sent unchanged.
    """
    payload = message.payload
    framing = message.framing
    if isinstance(framing, ChannelFrames) and (len(payload) <= frame_max or not frame_max):
        if framing.channel == channel:
            return payload
        # One header and one body frame: only their channel numbers differ. 0.4 us less than building them again.
        at = message.start
        number = channel.to_bytes(2, "big")
        return b"\x02%b%b\x03%b%b" % (number, payload[3 : at - 7], number, payload[at - 4 :])
    size = message.size
    parts = [_header_frame(channel, message.properties.raw, size)]
    room = frame_max - FRAME_OVERHEAD if frame_max else sys.maxsize
    at = message.start
    end = at + size
    while at < end:
        stop = min(at + room, end)
        parts += (_frame_head(FRAME_BODY, channel, stop - at), payload[at:stop], _END)
        at = stop
    return b"".join(parts)


def _header_frame(channel: int, properties: bytes, size: int) -> bytes:
    head = _frame_head(FRAME_HEADER, channel, 12 + len(properties))
    return b"%b%b%b\xce" % (head, _header_fields(BASIC, 0, size), properties)


class DeliverPrefix:
    """The common part of deliveries to one consumer: all but delivery tag, redelivered and, at times, the address.

    For messages from another protocol or from the store, properties and size are often the same as well.
    """

    __slots__ = (
        "_channel",
        "_consumer_tag",
        "exchange",
        "framing",
        "head",
        "header",
        "properties",
        "routing_key",
        "size",
        "tail",
    )

    def __init__(self, channel: int, consumer_tag: str) -> None:
        self._channel = channel
        self.framing = frames_on(channel)
        self._consumer_tag = encode_shortstr(consumer_tag)
        self.properties = EMPTY
        self.size = 0
        self.header = b""
        self.address("", "")

    def address(self, exchange: str, routing_key: str) -> None:
        """Make ``head`` and ``tail``, the bytes around delivery tag and redelivered, for messages to this address."""
        self.exchange = exchange
        self.routing_key = routing_key
        index = BasicDeliver.INDEX.to_bytes(4, "big")
        self.tail = encode_shortstr(exchange) + encode_shortstr(routing_key) + _END
        size = 4 + len(self._consumer_tag) + 9 + len(self.tail) - 1
        self.head = _frame_head(FRAME_METHOD, self._channel, size) + index + self._consumer_tag

    def content(self, properties: Properties, size: int) -> None:
        """Make ``header``, the bytes before a body that fits one frame, for messages of this kind."""
        self.properties = properties
        self.size = size
        self.header = _header_frame(self._channel, properties.raw, size) + _frame_head(FRAME_BODY, self._channel, size)


def deliver_prefix(channel: int, consumer_tag: str) -> DeliverPrefix:
    """For append_deliveries(): one for each consumer. Raises FieldError for a tag above 255 octets."""
    return DeliverPrefix(channel, consumer_tag)


def append_deliveries(
    out: list[bytes],
    prefix: DeliverPrefix,
    delivery_tag: int,
    channel: int,
    batch: list[QueuedMessage],
    frame_max: int,
) -> None:
    """Append basic.deliver and content of each message to ``out``, with delivery tags from ``delivery_tag`` on.

    ``channel`` is the one that the prefix was made for. CPython 3.11, 16 bytes: 0.22 us each if they came on a
    channel of the same number, 0.64 us if on another, 0.3 us if they are bodies alone.
        python -m timeit -r 15 -s "import tests.protocols.amqp091.test_encoder as t;
        b = [t.queued(t.published(bytes(16)))] * 1000; p = t.deliver_prefix(1, 'c')"
        "t.append_deliveries([], p, 5, 1, b, 131072)"           (1000 times; 2 for both 1: another channel)
    """
    if len(batch) >= _ALIKE and _append_alike(out, prefix, delivery_tag, batch, frame_max):
        return
    room = frame_max - FRAME_OVERHEAD
    framing = prefix.framing
    head = b""
    for queued in batch:
        message = queued.message
        # Messages of one publisher share their strings, so identity is enough to detect a change.
        if message.routing_key is not prefix.routing_key or message.exchange is not prefix.exchange:
            prefix.address(message.exchange, message.routing_key)
            head = b""
        payload = message.payload
        size = len(payload)
        octet = delivery_tag & 255
        if not octet or not head:
            head = prefix.head + (delivery_tag >> 8).to_bytes(7, "big")
        fields = _AGAIN[octet] if queued.returns else _FIRST_TIME[octet]
        around = message.framing
        if around is framing and size <= frame_max:
            out += (head, fields, prefix.tail, payload)
        elif around is None and 0 < size <= room and size == message.size:
            if size != prefix.size or message.properties is not prefix.properties:
                prefix.content(message.properties, size)
            out += (head, fields, prefix.tail, prefix.header, payload, _END)
        elif around is not None and around.code and 0 < message.size <= room:
            # In another protocol's framing.
            size = message.size
            if size != prefix.size or message.properties is not prefix.properties:
                prefix.content(message.properties, size)
            start = message.start
            out += (head, fields, prefix.tail, prefix.header, payload[start : start + size], _END)
        else:
            out += (head, fields, prefix.tail, content_frames(channel, message, frame_max))
        delivery_tag += 1


def _append_alike(
    out: list[bytes], prefix: DeliverPrefix, delivery_tag: int, batch: list[QueuedMessage], frame_max: int
) -> bool:
    """Append deliveries that differ in their tags and bodies alone: up to 256 are joined, and then numbered.

    False: they differ in more, or are large, and nothing was appended.
    """
    first = batch[0].message
    exchange, routing_key, properties, framing = first.exchange, first.routing_key, first.properties, first.framing
    size = len(first.payload)
    is_body = framing is None
    most = min(frame_max - FRAME_OVERHEAD if is_body else frame_max, _ALIKE_OCTETS)
    if not 0 < size <= most or not (is_body or framing is prefix.framing) or not _are_alike(batch):
        return False
    payloads = [queued.message.payload for queued in batch]
    if routing_key is not prefix.routing_key or exchange is not prefix.exchange:
        prefix.address(exchange, routing_key)
    tail = prefix.tail
    end = b""
    if is_body:
        if size != prefix.size or properties is not prefix.properties:
            prefix.content(properties, size)
        tail += prefix.header
        end = _END
    count = len(payloads)
    at = 0
    while at < count:
        tag = delivery_tag + at
        last_octet = tag & 0xFF
        stop = min(at + 256 - last_octet, count)
        # What stands between two bodies; the first has nothing before it that ends.
        between = b"".join((end, prefix.head, tag.to_bytes(8, "big"), b"\x00", tail))
        frames = bytearray(between).join([b"", *payloads[at:stop]])
        frames[len(end) + len(prefix.head) + 7 :: len(between) + size] = _LAST_OCTETS[
            last_octet : last_octet + stop - at
        ]
        del frames[: len(end)]
        frames += end
        out.append(bytes(frames))
        at = stop
    return True


def _are_alike(batch: list[QueuedMessage]) -> bool:
    """Have the messages one address, one framing, bodies of one size, and were none delivered before?"""
    first = batch[0].message
    exchange, routing_key, properties, framing = first.exchange, first.routing_key, first.properties, first.framing
    size = len(first.payload)
    is_body = framing is None
    for queued in batch:
        message = queued.message
        if message.routing_key is not routing_key or message.exchange is not exchange or queued.returns:
            return False
        if message.framing is not framing or len(message.payload) != size:
            return False
        if is_body and (message.size != size or message.properties is not properties):
            return False
    return True
