"""Ids, reply addresses and texts: in AMQP 0-9-1 they are texts of up to 255 octets.

An id is a string, a uuid, a ulong or a binary in AMQP 1.0 (part 3 §3.2.11 to §3.2.14).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from batonmq.fields import NAME_MAX
from batonmq.protocols.amqp10.dialects import SPEC
from batonmq.protocols.amqp10.messages.field_values import text_or_octets
from batonmq.protocols.amqp10.nodes.addresses import EXISTING, QUEUE, AddressError, parse_address, shown_temporary

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.dialects import Dialect

URN_UUID: Final = "urn:uuid:"
# The prefixes of reply addresses that name a queue; other protocols get only the queue's name.
_QUEUES: Final = ("/queues/", "queue://", "temp-queue://")
_QUEUE_OCTETS: Final = tuple(prefix.encode() for prefix in _QUEUES)


def fits(text: str) -> bool:
    """Does a text fit a property of 0-9-1?"""
    length = len(text)
    return length <= NAME_MAX and (text.isascii() or len(text.encode(errors="surrogateescape")) <= NAME_MAX)


def id_as_text(value: object) -> str | None:
    """An id as the property of 0-9-1; None for a binary one, and for one that is too long."""
    if isinstance(value, str):
        return value if fits(value) else None
    if isinstance(value, uuid.UUID):
        return f"{URN_UUID}{value}"
    return None if isinstance(value, bytes) else str(value)


def id_of(text: str) -> object:
    """The id for a text of 0-9-1: a uuid if it is written as one, otherwise a string."""
    if text.startswith(URN_UUID) and len(text) == len(URN_UUID) + 36:
        try:
            found = uuid.UUID(text[len(URN_UUID) :])
        except ValueError:
            return text_or_octets(text)
        # Other spellings are kept as strings.
        if str(found) == text[len(URN_UUID) :]:
            return found
    return text_or_octets(text)


def reply_as_text(address: str) -> str:
    """A reply-to for other protocols: the name of a queue if it is the address of one, otherwise unchanged."""
    if address.startswith(_QUEUES):
        try:
            found = parse_address(address, SPEC)
        except AddressError:
            return address
        if found.kind in (QUEUE, EXISTING) and found.routing_key is not None:
            return found.routing_key
    return address


def names_queue(address: bytes) -> bool:
    """Does `reply_as_text` change a reply-to?"""
    return address.startswith(_QUEUE_OCTETS)


def reply_of(text: str, dialect: Dialect) -> str:
    """The address for a reply-to from another protocol: that of a queue, unless it is an address already."""
    if text.startswith("/"):
        try:
            parse_address(text, SPEC)
        except AddressError:
            pass
        else:
            return text
    if not text or "\n" in text or "\r" in text:
        # No queue has such a name, and its address could not be parsed again.
        return text
    return shown_temporary(text, dialect)
