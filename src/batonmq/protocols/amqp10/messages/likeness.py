"""Heads that differ in nothing but the id of their message and its times, as those of one JMS producer do.

Where the octets around these are the same, the properties are the known ones with another id and another time: that
takes a tenth of what reading them takes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from batonmq.fields import LongLong, encode_table
from batonmq.properties import EXPIRATION, MESSAGE_ID, TIMESTAMP
from batonmq.protocols.amqp10.codec.values import skip
from batonmq.protocols.amqp10.messages.tables import IN_MILLISECONDS, RECEIVED

if TYPE_CHECKING:
    from batonmq.properties import Properties
    from batonmq.protocols.amqp10.codec.sections import Sections

__all__ = ["Likeness", "likeness_of"]

_STRING8: Final = 0xA1
_TIMESTAMP: Final = 0x83
_LIST8, _LIST32 = 0xC0, 0xD0
# Places in the list of properties (part 3 §3.2.4).
_ID, _EXPIRY, _CREATED = 0, 8, 9
# How the time in milliseconds begins in a table of headers; its octets follow.
_OTHERS: Final = re.compile(f"{RECEIVED}|{IN_MILLISECONDS}".encode())
_MARK: Final = encode_table({IN_MILLISECONDS: LongLong(0)})[4:-8]


class Likeness:
    """What heads have in common, and where they differ."""

    __slots__ = ("_id_at", "_parts", "_pieces", "_properties", "_time_at")

    def __init__(self, head: bytes, holes: list[tuple[int, int]], properties: Properties, cuts: list[int]) -> None:
        """``holes``: where the id is, perhaps the time of expiry, and that of creation. ``cuts``: where the properties'
        octets have milliseconds, id and seconds, from and to.
        """
        self._properties = properties
        self._id_at = holes[0]
        self._time_at = holes[-1][0]
        # What all have: from, to, and the octets.
        edges = [0, *(edge for hole in holes for edge in hole), len(head)]
        self._parts = [(edges[at], edges[at + 1], head[edges[at] : edges[at + 1]]) for at in range(0, len(edges), 2)]
        raw = properties.raw
        self._pieces = [raw[: cuts[0]], raw[cuts[1] : cuts[2]], raw[cuts[3] : cuts[4]], raw[cuts[5] :]]

    def properties_of(self, data: bytes) -> Properties | None:
        """The properties of a message that begins like this, but for the id and the times; None: it does not."""
        for start, stop, octets in self._parts:
            if data[start:stop] != octets:
                return None
        start, stop = self._id_at
        identifier = data[start:stop]
        at = self._time_at
        moment = int.from_bytes(data[at : at + 8], "big", signed=True)
        if not identifier.isascii() or not moment % 1000:
            return None
        first, second, third, fourth = self._pieces
        seconds = (moment // 1000).to_bytes(8, "big", signed=True)
        return self._properties.like(
            b"%b%b%b%b%b%b%b" % (first, data[at : at + 8], second, identifier, third, seconds, fourth)
        )


def likeness_of(sections: Sections, size: int, properties: Properties) -> Likeness | None:
    """What the head of a message, of so many octets, may have in common with others; None: it is not of that kind."""
    # Where a time to live is told, the time at which that ends means nothing.
    ignores_expiry = bool(properties.flags & EXPIRATION)
    data = sections.data
    at = sections.properties_at
    if not at or data[at] not in (_LIST8, _LIST32):
        return None
    is_short = data[at] == _LIST8
    count = data[at + 2] if is_short else int.from_bytes(data[at + 5 : at + 9], "big")
    at += 3 if is_short else 9
    holes: list[tuple[int, int]] = []
    for place in range(min(count, _CREATED + 1)):
        end = skip(data, at, size)
        if place == _ID and data[at] == _STRING8:
            holes.append((at + 2, end))
        elif place == _CREATED and data[at] == _TIMESTAMP and holes:
            holes.append((at + 1, end))
            return _with_cuts(data[:size], holes, properties)
        elif place == _EXPIRY and data[at] == _TIMESTAMP and ignores_expiry and holes:
            holes.append((at + 1, end))
        at = end
    return None


def _with_cuts(head: bytes, holes: list[tuple[int, int]], properties: Properties) -> Likeness | None:
    raw = properties.raw
    mark = raw.find(_MARK)
    if mark < 0 or raw.find(_MARK, mark + 1) >= 0 or _OTHERS.search(head):
        return None
    identifier, timestamp = properties.extent(MESSAGE_ID), properties.extent(TIMESTAMP)
    if identifier is None or timestamp is None:
        return None
    at = mark + len(_MARK)
    return Likeness(head, holes, properties, [at, at + 8, identifier[0] + 1, identifier[1], *timestamp])
