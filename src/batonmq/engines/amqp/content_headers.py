"""Content headers without pika's codec: a message's properties are sent and received as raw bytes.

pika 1.4 cannot write a header that is a float, and reads one as a whole number. It returns bytes for text that is not
UTF-8. A time beyond the year 9999 ends its connection.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pika
from pika import spec
from pika.channel import Channel
from pika.frame import Header

from batonmq.engines.messages import DURABLE_PLAIN, TRANSIENT_PLAIN, Message, delayed_properties
from batonmq.properties import EMPTY, Properties

__all__ = ["WireProperties", "content_header", "properties_from", "properties_to", "too_large"]

# A frame's type, channel and size (AMQP 0-9-1, 4.2.3), and a content header's class, weight and body size (4.2.6.1).
FRAME = struct.Struct(">BHL")
CONTENT = struct.Struct(">HHQ")
# The properties of most messages, with their priority.
SAYING = {one.raw: one.replace(priority=0) for one in (DURABLE_PLAIN, TRANSIENT_PLAIN)}
FRAME_END = bytes([spec.FRAME_END])
# The largest frame size that can be expressed, for a broker without a limit.
FRAME_UNLIMITED = 2**32 - 1


class WireProperties(pika.BasicProperties):  # type: ignore[misc]  # pika's types count for nothing here
    """Properties for pika to carry."""

    def __init__(self, properties: Properties = EMPTY) -> None:
        super().__init__()
        self.properties = properties

    def encode(self) -> list[bytes]:
        """The encoded properties, as a list of pieces for pika."""
        return [self.properties.raw]


def content_header(data: bytes) -> tuple[int, Header] | None:
    """The content header at the start of the data, if it is complete and well formed; pika handles the rest."""
    if data[0] != spec.FRAME_HEADER or len(data) < FRAME.size:
        return None
    _, channel, size = FRAME.unpack_from(data)
    end = FRAME.size + size
    if size < CONTENT.size or data[end : end + 1] != FRAME_END:
        return None
    _, _, body_size = CONTENT.unpack_from(data, FRAME.size)
    properties = Properties.decode(data[FRAME.size + CONTENT.size : end])
    return end + 1, Header(channel, body_size, WireProperties(properties))


def properties_to(message: Message, *, says_priority: bool = False) -> WireProperties:
    """A message's properties for pika to send.

    ``says_priority``: state priority 0 in a message without one, which RabbitMQ's quorum queues would give 4.
    """
    ours = delayed_properties(message)
    if says_priority and not ours.has_priority:
        ours = SAYING.get(ours.raw) or ours.replace(priority=0)
    if ours.user_id is not None:
        # A moved message has a new sender, and a broker refuses any user-id but that of the connection.
        ours = ours.replace(user_id=None)
    return WireProperties(ours)


def properties_from(theirs: pika.BasicProperties) -> Properties:
    """The properties of a message received through pika."""
    assert isinstance(theirs, WireProperties)
    return theirs.properties


def too_large(channel: Channel, wired: Iterable[WireProperties]) -> ValueError | None:
    """The error for properties that fit no frame of this connection, before the broker closes it for them.

    A content header is one frame (AMQP 0-9-1, 4.2.6.1): type, channel, size, class, weight, body size, and an end.
    """
    room = (channel.connection.params.frame_max or FRAME_UNLIMITED) - FRAME.size - CONTENT.size - len(FRAME_END)
    size = max((len(one.properties.raw) for one in wired), default=0)
    return None if size <= room else ValueError(f"the headers take {size} bytes, and the broker takes at most {room}")
