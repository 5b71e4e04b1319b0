"""The section header (part 3 §3.2.1), which tells how a message is delivered: the broker makes it for each delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.protocols.amqp10.codec.values import UByte, UInt, encode

if TYPE_CHECKING:
    from batonmq.properties import Properties

UINT_MAX: Final = 2**32 - 1

_FIRST: Final = b"\x41"
_AGAIN: Final = b"\x42"


# By what a message that is delivered for the first time, and never expires, has in its header.
_first: dict[tuple[bool, bool, int], bytes] = {}


def first_header(properties: Properties) -> bytes:
    """Of a message that is delivered for the first time, and never expires."""
    key = (properties.persistent, properties.has_priority, properties.priority)
    found = _first.get(key)
    if found is None:
        found = _first[key] = header_section(properties, 0, None)
    return found


def header_section(properties: Properties, return_count: int, left: int | None, *, came_back: bool = False) -> bytes:
    """Of any message. ``left``: for how many milliseconds it still lives, 0 or more; None: it does not expire.

    ``came_back``: somebody had it before, whether that counts or not.
    """
    ttl = b"\x40" if left is None else encode(UInt(min(left, UINT_MAX)))
    fields = _durable(properties) + _priority(properties) + ttl
    if not return_count:
        return _section(fields + (_AGAIN if came_back else _FIRST), 4)
    return _section(fields + _AGAIN + encode(UInt(min(return_count, UINT_MAX))), 5)


def _section(fields: bytes, count: int) -> bytes:
    return b"\x00Sp\xc0%c%c%b" % (len(fields) + 1, count, fields)


def _durable(properties: Properties) -> bytes:
    return b"\x41" if properties.persistent else b"\x42"


def _priority(properties: Properties) -> bytes:
    return encode(UByte(properties.priority)) if properties.has_priority else b"\x40"
