"""Reads transfers (part 2 §2.7.5), which are most of what comes.

The transfers of a link differ in their delivery-id, their delivery-tag and their payload. So the parser first unpacks
a frame at the places where the last one had them, and compares what is around them; then it looks at the fields one by
one, which tells where the places are; then it decodes the performative as any other. Only the last way finds faults.

What is around id and tag is the *shape*: a `Transfer` without them, one and the same object for the same fields.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from batonmq.protocols.amqp10.codec.composites import decode_composite
from batonmq.protocols.amqp10.codec.constants import TAG_MAX, TRANSFER
from batonmq.protocols.amqp10.codec.performatives import Transfer

if TYPE_CHECKING:
    from collections.abc import Callable

TransferEvent: TypeAlias = tuple[Literal[5], int, Transfer, int | None, bytes | None, bytes]

# Shapes and templates that are kept, and the octets of the longest fields behind the delivery-tag that are.
CACHED: Final = 256
CACHED_OCTETS: Final = 64

_u32 = struct.Struct(">I").unpack_from
_u32_u32 = struct.Struct(">II").unpack_from

_LIST8: Final = b"\x00\x53\x14\xc0"
_LIST32: Final = b"\x00\x53\x14\xd0"

_Template: TypeAlias = tuple[struct.Struct, int, bytes, bytes, bytes, int, Transfer]
"""How a frame is unpacked; how many octets it has before its payload; what is before the id, between id and tag, and
behind the tag; the channel; the shape."""


class TransferReader:
    """Reads the transfers of one connection."""

    __slots__ = ("_shapes", "_template", "_templates")

    def __init__(self) -> None:
        # By the fields around id and tag as they are encoded.
        self._shapes: dict[bytes, Transfer] = {}
        self._templates: dict[tuple[bytes, bytes, bytes], _Template] = {}
        self._template: _Template | None = None

    def run(self, data: bytes, at: int, end: int, most: int, emit: Callable[[TransferEvent], None]) -> int:
        """Emit an event for each whole frame from ``at`` on that is a transfer like the last; tell where they end.

        ``most`` is the largest size of a frame.
        """
        template = self._template
        if template is None:
            return at
        layout, start, head, middle, tail, channel, shape = template
        unpack = layout.unpack_from
        last = end - start
        while at <= last:
            size, before, delivery_id, between, tag, behind = unpack(data, at)
            stop = at + size
            if before != head or behind != tail or between != middle or stop > end or not start <= size <= most:
                break
            emit((TRANSFER, channel, shape, delivery_id, tag, data[at + start : stop]))
            at = stop
        return at

    def read(self, data: bytes, at: int, stop: int, channel: int) -> TransferEvent | None:
        """The frame from ``at`` to ``stop``, which has no extended header; None: it is no transfer of the usual form.

        Raises DecodeError.
        """
        places = _places(data, at + 8, stop)
        if places is None:
            return None
        handle, count, id_at, delivery_id, tag_at, start, tag_stop, list_stop = places
        behind = data[tag_stop:list_stop]
        key = b"%d %d %b" % (handle, count, behind)
        shape = self._shapes.get(key)
        if shape is None:
            transfer, _ = decode_composite(data[at + 8 : list_stop])
            assert isinstance(transfer, Transfer)
            shape = self.shape_of(transfer)
            if len(behind) <= CACHED_OCTETS:
                self._keep(key, shape)
        tag = data[start:tag_stop] if start else None
        if tag is not None and tag_at - id_at > 1:
            head = data[at + 4 : id_at + 1]
            self._expect(head, tag_at - id_at - 1, data[tag_at:start], len(tag), behind, channel, shape)
        return TRANSFER, channel, shape, delivery_id, tag, data[list_stop:stop]

    def shape_of(self, transfer: Transfer) -> Transfer:
        """What a transfer that was decoded has besides id and tag: the object that like ones had."""
        shape = replace(transfer, delivery_id=None, delivery_tag=None)
        key = shape.encoded()
        known = self._shapes.get(key)
        if known is not None:
            return known
        if len(key) <= CACHED_OCTETS:
            self._keep(key, shape)
        return shape

    def _keep(self, key: bytes, shape: Transfer) -> None:
        if len(self._shapes) >= CACHED:
            self._shapes.clear()
        self._shapes[key] = shape

    def _expect(
        self, head: bytes, id_size: int, middle: bytes, tag_size: int, tail: bytes, channel: int, shape: Transfer
    ) -> None:
        """Look for more like this: its template is the one that the next frame is compared with."""
        key = (head, middle, tail)
        template = self._templates.get(key)
        if template is None or template[-1] is not shape:
            layout = struct.Struct(f">I{len(head)}s{'I' if id_size == 4 else 'B'}{len(middle)}s{tag_size}s{len(tail)}s")
            template = (layout, layout.size, head, middle, tail, channel, shape)
            if len(tail) <= CACHED_OCTETS:
                if len(self._templates) >= CACHED:
                    self._templates.clear()
                self._templates[key] = template
        self._template = template


def _places(data: bytes, at: int, stop: int) -> tuple[int, int, int, int | None, int, int, int, int] | None:
    """Where the fields of a transfer are whose performative begins at ``at``.

    Handle; number of fields; place and value of the delivery-id; places of the tag's constructor, of its first octet
    (0: there is no tag) and of what follows it; where the payload begins. None: the fields are to be decoded one by
    one, because there are fewer than these, or they are not what they have to be.
    """
    try:
        if data.startswith(_LIST8, at):
            list_stop = at + 5 + data[at + 4]
            count = data[at + 5]
            at += 6
        elif data.startswith(_LIST32, at):
            size, count = _u32_u32(data, at + 4)
            list_stop = at + 8 + size
            at += 12
        else:
            return None
        code = data[at]
        if code == 0x52:
            handle = data[at + 1]
            at += 2
        elif code == 0x43:
            handle = 0
            at += 1
        elif code == 0x70:
            handle = _u32(data, at + 1)[0]
            at += 5
        else:
            return None
        id_at = at
        delivery_id: int | None
        code = data[at]
        if code == 0x70:
            delivery_id = _u32(data, at + 1)[0]
            at += 5
        elif code == 0x52:
            delivery_id = data[at + 1]
            at += 2
        elif code == 0x43:
            delivery_id = 0
            at += 1
        elif code == 0x40:
            delivery_id = None
            at += 1
        else:
            return None
        tag_at = at
        code = data[at]
        if code == 0xA0:
            start = at + 2
            at = start + data[at + 1]
        elif code == 0xB0:
            start = at + 5
            at = start + _u32(data, at + 1)[0]
        elif code == 0x40:
            start = 0
            at += 1
        else:
            return None
    except (IndexError, struct.error):
        return None
    if count < 3 or at > list_stop or list_stop > stop or (start and at - start > TAG_MAX):
        return None
    return handle, count, id_at, delivery_id, tag_at, start, at, list_stop
