"""The numbers of AMQP 1.0's framing: protocol headers, frame types, kinds of events (part 2 §2.2, §2.3)."""

from __future__ import annotations

from typing import Final

AMQP_HEADER: Final = b"AMQP\x00\x01\x00\x00"
"""The protocol header of a connection (§2.2)."""
SASL_HEADER: Final = b"AMQP\x03\x01\x00\x00"
"""The protocol header of the security layer SASL (part 5 §5.3)."""

FRAME_AMQP: Final = 0
"""The type of a connection's frames."""
FRAME_SASL: Final = 1
"""The type of the frames of a log-in."""
FRAME_HEAD: Final = 8
"""Octets of a frame before its extended header and body: size, data offset, type, channel."""
FRAME_MIN: Final = 512
"""The size of frame that each peer must accept, before and after negotiation (§2.7.1, MIN-MAX-FRAME-SIZE)."""
FRAME_LIMIT: Final = 0x414D_5150 - 1
"""The largest size of frame that a parser can be set to: one more, and a size might read "AMQP"."""
CHANNEL_MAX: Final = 0xFFFF
"""The highest number of a channel."""
TAG_MAX: Final = 32
"""Octets of the longest delivery-tag (§2.8.7)."""

# Kinds of events, the first item of what FrameParser.feed() returns; frames.py has their types.
HEADER: Final = 1
"""(kind, header): a protocol header, all of its 8 octets. Nothing follows one that is neither AMQP's nor SASL's."""
FRAME: Final = 2
"""(kind, channel, performative, payload): any frame of a connection but a transfer; the payload is mostly empty."""
SASL: Final = 3
"""(kind, performative): a frame of a log-in."""
HEARTBEAT: Final = 4
"""(kind,): an empty frame, which only keeps the connection alive."""
TRANSFER: Final = 5
"""(kind, channel, shape, delivery_id, delivery_tag, payload): ``shape`` is a `Transfer` without id and tag."""
RUN: Final = 7
"""(kind, channel, shape, delivery_id, payloads): deliveries of one transfer each, with consecutive ids from
``delivery_id`` on, without the tags. Only a gathering parser reports runs; their payloads have the same size."""
ERROR: Final = 6
"""(kind, condition, description): the peer broke the protocol. Nothing follows."""
