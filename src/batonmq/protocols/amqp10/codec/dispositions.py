"""Reads and writes dispositions (part 2 §2.7.6), of which there may be one for every delivery.

They differ in their range of delivery-ids, and little else. So the parser unpacks a frame at the places where an
earlier one had its ids, and compares the octets around them; and the part after the ids is encoded once.

On request, those that accept and settle consecutive deliveries are one event: many clients settle one by one.

CPython 3.11: 1.1 us to read one like the last, 0.6 us to write one.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from batonmq.protocols.amqp10.codec.composites import encode_composite
from batonmq.protocols.amqp10.codec.constants import FRAME, FRAME_AMQP, FRAME_HEAD
from batonmq.protocols.amqp10.codec.kinds import EncodeError
from batonmq.protocols.amqp10.codec.performatives import Accepted, Disposition, Performative

if TYPE_CHECKING:
    from collections.abc import Callable

FrameEvent: TypeAlias = tuple[Literal[2], int, Performative, bytes]

# The most templates kept, and the most octets of fields after the range in one that is kept.
CACHED: Final = 64
CACHED_OCTETS: Final = 64

# The most deliveries in a disposition that is put together: as many as are settled in a few microseconds.
GATHERED: Final = 64

MARK: Final = b"\x00\x53\x15"
"""The first octets of a disposition's body."""

# These octets in a frame, where the list is a short one.
_SHORT: Final = b"\x00\x53\x15\xc0"

# The place of the list's constructor in a frame. The place after the list's head, where role begins, which takes one
# octet or two: of a short list, and of a long one, which some clients always write.
_LIST_AT: Final = 11
_ROLE_AT: Final = 14
_ROLE_AT_LONG: Final = 20
# The octets from there on that still distinguish templates.
_KEY_REST: Final = 2
# The formats of the numbers, by constructor: uint, smalluint.
_NUMBERS: Final = {0x70: "I", 0x52: "B"}


class _Template:
    """The place of the range in a frame like the last one, and the octets around it."""

    __slots__ = ("between", "channel", "head", "known", "layout", "size", "tail")

    def __init__(
        self,
        layout: struct.Struct,
        size: int,
        head: bytes,
        between: bytes,
        tail: bytes,
        channel: int,
        known: Disposition,
    ) -> None:
        """``layout`` unpacks all ``size`` octets. ``head``: the octets before first, ``tail``: those after the range.

        ``between``: those between first and last, empty without last. ``known`` is a similar disposition.
        """
        self.layout = layout
        self.size = size
        self.head = head
        self.between = between
        self.tail = tail
        self.channel = channel
        self.known = known


class DispositionReader:
    """Reads those dispositions of one connection that are like earlier ones."""

    __slots__ = ("_gathers", "_template", "_templates")

    def __init__(self, *, gathers: bool = False) -> None:
        """``gathers``: what accepts and settles consecutive deliveries becomes one event."""
        self._gathers = gathers
        # By the first octets of a frame: size, channel, number of fields, role.
        self._templates: dict[bytes, _Template] = {}
        self._template: _Template | None = None

    def run(self, data: bytes, at: int, end: int, emit: Callable[[FrameEvent], None]) -> int:
        """Emit an event for each whole frame from ``at`` on that is like an earlier one; returns where they end."""
        template = self._template
        while template is not None:
            size, head, between, tail = template.size, template.head, template.between, template.tail
            channel, known = template.channel, template.known
            unpack = template.layout.unpack_from
            latest = end - size
            gathers = self._gathers and known.settled is True and isinstance(known.state, Accepted)
            # What was put together so far; none: -1.
            held_first = held_last = -1
            while at <= latest:
                parts = unpack(data, at)
                if parts[0] != head or parts[-1] != tail or parts[2] != between:
                    break
                first: int = parts[1]
                last: int = parts[3] if between else first
                at += size
                if not gathers or last < first:
                    if held_first >= 0:
                        emit((FRAME, channel, _like(known, held_first, held_last, between), b""))
                        held_first = -1
                    emit((FRAME, channel, _like(known, first, last, between), b""))
                elif held_first >= 0 and first == held_last + 1 and last - held_first < GATHERED:
                    held_last = last
                else:
                    if held_first >= 0:
                        emit((FRAME, channel, _like(known, held_first, held_last, between), b""))
                    held_first, held_last = first, last
            if held_first >= 0:
                emit((FRAME, channel, _like(known, held_first, held_last, between), b""))
            is_long = at + _LIST_AT < end and data[at + _LIST_AT] == 0xD0
            key = data[at : at + (_ROLE_AT_LONG if is_long else _ROLE_AT) + _KEY_REST]
            other = self._templates.get(key)
            if other is None or other is template:
                break
            self._template = template = other
        return at

    def forget(self) -> None:
        """Drop the templates: a similar frame may not be acceptable any more."""
        self._template = None
        self._templates.clear()

    def note(self, data: bytes, at: int, stop: int, channel: int, disposition: Disposition) -> None:
        """Note a decoded frame with ``MARK`` and without an extended header: similar ones need not be decoded."""
        if data[at + _LIST_AT] == 0xC0:
            role_at = at + _ROLE_AT
            list_stop = at + 13 + data[at + 12]
        elif data[at + _LIST_AT] == 0xD0:
            role_at = at + _ROLE_AT_LONG
            list_stop = at + 16 + int.from_bytes(data[at + 12 : at + 16], "big")
        else:
            return
        key_stop = role_at + _KEY_REST
        if stop < key_stop or list_stop != stop:
            return
        first_at = role_at + (2 if data[role_at] == 0x56 else 1)
        number = _NUMBERS.get(data[first_at])
        if number is None:
            return
        head = data[at : first_at + 1]
        behind = first_at + 1 + struct.calcsize(number)
        between = b""
        layout = f">{len(head)}s{number}"
        if disposition.last is None:
            tail = data[behind:stop]
            layout += f"0s{len(tail)}s"
        else:
            second = _NUMBERS.get(data[behind])
            if second is None:
                return
            between = data[behind : behind + 1]
            tail = data[behind + 1 + struct.calcsize(second) : stop]
            layout += f"1s{second}{len(tail)}s"
        if len(tail) <= CACHED_OCTETS:
            if len(self._templates) >= CACHED:
                self._templates.clear()
            template = _Template(struct.Struct(layout), stop - at, head, between, tail, channel, disposition)
            self._templates[data[at:key_stop]] = self._template = template


def _like(known: Disposition, first: int, last: int, between: bytes) -> Disposition:
    """The same of other deliveries; ``between`` is empty where a frame has no last one."""
    return Disposition(
        role=known.role,
        first=first,
        last=last if between or last != first else None,
        settled=known.settled,
        state=known.state,
        batchable=known.batchable,
    )


# ---------------------------------------------------------------------- out

_pack_head: Final = struct.Struct(">IBBH").pack
_pack_one: Final = struct.Struct(">IBBH4sBBBBI").pack
_pack_range: Final = struct.Struct(">IBBH4sBBBBIBI").pack

# The part after the range, by ``settled``, ``batchable`` and the type of a state without fields: the number of fields,
# and their octets.
_tails: dict[tuple[bool | None, bool | None, type], tuple[int, bytes]] = {}


def disposition_frame(channel: int, disposition: Disposition) -> bytes:
    """A disposition in its frame. Raises EncodeError."""
    state = disposition.state
    if state is not None and state.LAYOUT:
        body = encode_composite(disposition)
        return _pack_head(FRAME_HEAD + len(body), 2, FRAME_AMQP, channel) + body
    key = (disposition.settled, disposition.batchable, type(state))
    known = _tails.get(key)
    if known is None:
        known = _tails[key] = _tail_of(disposition)
    count, tail = known
    role = 0x41 if disposition.role else 0x42
    first, last = disposition.first, disposition.last
    try:
        if last is not None:
            size = len(tail) + 12
            head = _pack_range(
                size + 13, 2, FRAME_AMQP, channel, _SHORT, size, count + 3, role, 0x70, first, 0x70, last
            )
        else:
            if count:
                tail = b"\x40" + tail
                count += 1
            size = len(tail) + 7
            head = _pack_one(size + 13, 2, FRAME_AMQP, channel, _SHORT, size, count + 2, role, 0x70, first)
    except struct.error:
        raise EncodeError(f"{first} to {last} is no range of delivery-ids") from None
    return head + tail


def _tail_of(disposition: Disposition) -> tuple[int, bytes]:
    # Descriptor and list are five octets; then the number of fields; role and the numbers of the range one each.
    encoded = encode_composite(replace(disposition, role=True, first=0, last=0))
    return encoded[5] - 3, encoded[9:]
