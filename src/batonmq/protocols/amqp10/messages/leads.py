"""The part before the properties of a message: its header and annotations, which are the same in many messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq import property_list as basic
from batonmq.broker.features.publish_headers import DEDUPLICATION
from batonmq.protocols.amqp10.messages.headers import said_by_header
from batonmq.protocols.amqp10.messages.tables import (
    DUPLICATE,
    GROUP,
    GROUP_SEQUENCE,
    HEADERS_MAX,
    IN_MILLISECONDS,
    REPLY_TO_GROUP,
    read_table,
)

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.sections import Sections

__all__ = ["Lead", "lead_of"]

PERSISTENT: Final = b"\x02"
# This leaves room for application properties.
_ENTRIES_MAX: Final = HEADERS_MAX // 2

# Headers that come from properties, or have a special meaning. `heads` handles application properties of these names.
_SPECIAL: Final = frozenset({IN_MILLISECONDS, GROUP, GROUP_SEQUENCE, REPLY_TO_GROUP, DUPLICATE, DEDUPLICATION})


class Lead:
    """The header and annotations of one message, as parts of properties of 0-9-1."""

    __slots__ = ("entries", "expiration", "flags", "mode", "names", "persistent", "priority", "raw", "skip")

    def __init__(self, sections: Sections, entries: bytes, names: frozenset[bytes], *, is_durable: bool) -> None:
        """``entries``: the annotations as entries of a table. ``names``: those that no application property may have,
        each after its length. ``is_durable``: is a message without a durable field durable? Raises DecodeError.
        """
        durable, priority, ttl = said_by_header(sections)
        self.raw = sections.data[: sections.bare_at]
        self.skip = sections.kept_at
        """Octets of header and delivery-annotations."""
        self.entries = entries
        self.names = names
        self.persistent = is_durable if durable is None else durable
        self.priority = priority or 0
        self.flags = 0
        self.mode = b""
        """Delivery mode and priority, encoded for a property list of 0-9-1."""
        self.expiration = b""
        if self.persistent:
            self.flags |= basic.DELIVERY_MODE
            self.mode = PERSISTENT
        if priority is not None:
            self.flags |= basic.PRIORITY
            self.mode += bytes((priority,))
        if ttl is not None:
            self.flags |= basic.EXPIRATION
            text = b"%d" % ttl
            self.expiration = b"%c%b" % (len(text), text)


def lead_of(sections: Sections, *, is_durable: bool) -> Lead | None:
    """The part before the properties of a message; None: `heads` has to read it. Raises DecodeError."""
    at = sections.message_annotations_at
    if at and at != sections.kept_at + 3:
        return None
    table = read_table(sections.data[at : sections.bare_at] if at else b"", b"")
    if len(table.entries) > _ENTRIES_MAX or table.basics or not _SPECIAL.isdisjoint(table.headers):
        return None
    names = [name.encode() for name in (*_SPECIAL, *table.headers)]
    return Lead(
        sections, table.entries, frozenset([b"%c%b" % (len(name), name) for name in names]), is_durable=is_durable
    )
