"""Headers by name: those of a frame and those of its message, and values that are numbers or switches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.features.publish_headers import DEDUPLICATION, DELAY, DELIVER_AT
from batonmq.protocols.stomp.failures import StompFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FRAME_HEADERS",
    "IN_MILLISECONDS",
    "OWN_HEADERS",
    "TEXTS",
    "TEXT_MARK",
    "WISHES",
    "flag",
    "has_time",
    "integer",
]

# Headers of the frame, not of the message.
FRAME_HEADERS: Final = frozenset(
    {"ack", "content-length", "destination", "message-id", "receipt", "redelivered", "subscription", "transaction"}
)
# Headers that are properties of AMQP, and the names of those.
TEXTS: Final[dict[str, str]] = {
    "content-type": "content_type",
    "content-encoding": "content_encoding",
    "correlation-id": "correlation_id",
    "amqp-message-id": "message_id",
    "type": "type",
    "user-id": "user_id",
    "app-id": "app_id",
}
# Says that a message was sent as text: the mapping of JMS to AMQP has it so, and 5 for text.
TEXT_MARK: Final = "x-opt-jms-msg-type"
# The property timestamp is in seconds; what is known more exactly stands here, as of RabbitMQ's plugin for it.
IN_MILLISECONDS: Final = "timestamp_in_ms"
# Headers of a message that its client did not write.
OWN_HEADERS: Final = frozenset({TEXT_MARK, IN_MILLISECONDS})

# Headers with requests to the broker, and the broker's names for them. Both are kept.
WISHES: Final[dict[str, str]] = {
    "AMQ_SCHEDULED_DELAY": DELAY,
    "AMQ_SCHEDULED_TIME": DELIVER_AT,
    "_AMQ_SCHED_DELIVERY": DELIVER_AT,
    "_AMQ_DUPL_ID": DEDUPLICATION,
}


def integer(name: str, text: str) -> int:
    """The number in a header: up to 19 digits, or 18 and a minus sign; blanks around it are allowed.

    Raises StompFailure, which names the header.
    """
    digits = text.strip()
    if len(digits) > 19 or not digits.isascii() or not digits.removeprefix("-").isdigit():
        raise StompFailure("Invalid header", f"header '{name}' must be a number and is '{text[:64]}'")
    return int(digits)


def flag(text: str | None) -> bool:
    """Does a header switch something on? None, a header that is not there, does not.

    RabbitMQ's clients write Python's words too.
    """
    return text in ("true", "True", "TRUE")


def has_time(headers: Mapping[str, str]) -> bool:
    """Does the client say when it sent the message, as a number of up to 18 digits?"""
    text = headers.get("timestamp", "")
    return text.isascii() and text.isdigit() and len(text) <= 18
