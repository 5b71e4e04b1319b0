"""The section header (part 3 §3.2.1), which the broker writes for each delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.protocols.amqp10.codec.values import UByte, UInt, encode

if TYPE_CHECKING:
    from batonmq.properties import Properties
    from batonmq.protocols.amqp10.codec.sections import Sections
    from batonmq.queued import QueuedMessage

UINT_MAX: Final = 2**32 - 1

_FIRST: Final = b"\x41"
_AGAIN: Final = b"\x42"


# By what a message that is delivered for the first time, and never expires, has in its header.
_first: dict[tuple[bool, bool, int], bytes] = {}


def first_header(properties: Properties) -> bytes:
    """The header of a message that is delivered for the first time, and never expires."""
    key = (properties.persistent, properties.has_priority, properties.priority)
    found = _first.get(key)
    if found is None:
        found = _first[key] = _section(_durable(properties) + _priority(properties) + b"\x40" + _FIRST, 4)
    return found


def header_section(properties: Properties, queued: QueuedMessage, now: int) -> bytes:
    """The header of any message; ``now`` in milliseconds of the epoch."""
    ttl = b"\x40"
    if queued.expires_at:
        ttl = encode(UInt(min(max(queued.expires_at - now, 0), UINT_MAX)))
    fields = _durable(properties) + _priority(properties) + ttl
    if not queued.returns:
        return _section(fields + _FIRST, 4)
    # A message that was only released had an acquirer, but no failed delivery (part 3 §3.4.4).
    count = queued.return_count
    if not count:
        return _section(fields + _AGAIN, 4)
    return _section(fields + _AGAIN + encode(UInt(min(count, UINT_MAX))), 5)


# Headers with what follows them before the message-annotations: there are few.
_CACHED_BYTES: Final = 64
_CACHED_ENTRIES: Final = 1024
_said: dict[bytes, tuple[bool | None, int | None, int | None]] = {}


def said_by_header(sections: Sections) -> tuple[bool | None, int | None, int | None]:
    """Durable, priority and ttl in the header of a received message; None: absent. Raises DecodeError."""
    if not sections.header_at:
        return None, None, None
    raw = sections.data[: sections.kept_at]
    found = _said.get(raw)
    if found is None:
        header = sections.header()
        assert header is not None
        found = (header.durable, header.priority, header.ttl)
        if len(raw) <= _CACHED_BYTES:
            if len(_said) >= _CACHED_ENTRIES:
                _said.clear()
            _said[raw] = found
    return found


def _section(fields: bytes, count: int) -> bytes:
    return b"\x00Sp\xc0%c%c%b" % (len(fields) + 1, count, fields)


def _durable(properties: Properties) -> bytes:
    return b"\x41" if properties.persistent else b"\x42"


def _priority(properties: Properties) -> bytes:
    return encode(UByte(properties.priority)) if properties.has_priority else b"\x40"
