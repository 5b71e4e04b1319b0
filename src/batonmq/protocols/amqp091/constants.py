"""The numbers of AMQP 0-9-1: frame types, classes and reply codes (section 4.2.3 and the constants of the grammar)."""

from __future__ import annotations

from typing import Final

# Frame types.
FRAME_METHOD: Final = 1
FRAME_HEADER: Final = 2
FRAME_BODY: Final = 3
FRAME_HEARTBEAT: Final = 8

FRAME_END: Final = 0xCE
"""The last octet of each frame."""
FRAME_OVERHEAD: Final = 8
"""Type, channel and length before a frame's payload, and the end octet after it."""
FRAME_MIN: Final = 4096
"""The size of frame that each peer must take (section 4.2.3); RabbitMQ since 4.0 asks for 8192."""

# Kinds of events, the first element of what FrameParser.feed() returns; parser.py has their types.
METHOD: Final = 1
"""(kind, channel, method)"""
PUBLISH: Final = 2
"""(kind, channel, method, messages): basic.publish, whole, and those behind it that differ in their bodies alone."""
ACK: Final = 3
"""(kind, channel, delivery_tag, multiple): basic.ack."""
CONTENT: Final = 4
"""(kind, channel, method, properties, body, 0, size, None): a whole basic.deliver, basic.return or basic.get-ok."""
HEARTBEAT: Final = 5
"""(kind, 0)"""
ERROR: Final = 6
"""(kind, channel, code, text, class_id, method_id, hard): the peer's fault. A hard one is the last event."""

# Classes.
CONNECTION: Final = 10
EXCHANGE: Final = 40
QUEUE: Final = 50
BASIC: Final = 60

# Reply codes. Those below 500 close a channel, the others the connection (section 1.1).
REPLY_SUCCESS: Final = 200
CONTENT_TOO_LARGE: Final = 311
NO_ROUTE: Final = 312
NO_CONSUMERS: Final = 313
CONNECTION_FORCED: Final = 320
INVALID_PATH: Final = 402
ACCESS_REFUSED: Final = 403
NOT_FOUND: Final = 404
RESOURCE_LOCKED: Final = 405
PRECONDITION_FAILED: Final = 406
FRAME_ERROR: Final = 501
SYNTAX_ERROR: Final = 502
COMMAND_INVALID: Final = 503
CHANNEL_ERROR: Final = 504
UNEXPECTED_FRAME: Final = 505
RESOURCE_ERROR: Final = 506
NOT_ALLOWED: Final = 530
NOT_IMPLEMENTED: Final = 540
INTERNAL_ERROR: Final = 541

REPLY_NAMES: Final[dict[int, str]] = {
    REPLY_SUCCESS: "REPLY_SUCCESS",
    CONTENT_TOO_LARGE: "CONTENT_TOO_LARGE",
    NO_ROUTE: "NO_ROUTE",
    NO_CONSUMERS: "NO_CONSUMERS",
    CONNECTION_FORCED: "CONNECTION_FORCED",
    INVALID_PATH: "INVALID_PATH",
    ACCESS_REFUSED: "ACCESS_REFUSED",
    NOT_FOUND: "NOT_FOUND",
    RESOURCE_LOCKED: "RESOURCE_LOCKED",
    PRECONDITION_FAILED: "PRECONDITION_FAILED",
    FRAME_ERROR: "FRAME_ERROR",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    COMMAND_INVALID: "COMMAND_INVALID",
    CHANNEL_ERROR: "CHANNEL_ERROR",
    UNEXPECTED_FRAME: "UNEXPECTED_FRAME",
    RESOURCE_ERROR: "RESOURCE_ERROR",
    NOT_ALLOWED: "NOT_ALLOWED",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    INTERNAL_ERROR: "INTERNAL_ERROR",
}
"""The beginning of a reply text, before " - " and the details; clients match on it."""
