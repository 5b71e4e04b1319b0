"""Reads transfers (part 2 §2.7.5), which are most of the input.

The transfers of a link differ in their delivery-id, their delivery-tag and their payload. There are three ways to read
one. The first unpacks a frame at the places where the last one had these, and compares the octets around them. The
second goes through the fields one by one to find the places. The third decodes the performative like any other, and
only this one finds errors.

The fields other than id and tag are the *shape*: a `Transfer` without them, the same object for equal fields.

On request, many similar transfers are one event, a run: that is what a busy publisher sends. Those of one size are
unpacked in one step.
CPython 3.11, a payload of 16 octets: 0.4 us by the first way, 1 us if two links take turns, 30 us by the last.
    python -m timeit -r 15 -s "from tests.protocols.amqp10.codec.test_frames import opened, transfers; p = opened();
    d = transfers(1000)" "p.feed(d)"                                              (first way, 1000 times)
    the same with d = b''.join(transfers(1, handle=n % 2) for n in range(1000))   (two links)
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from batonmq.protocols.amqp10.codec.composites import decode_composite
from batonmq.protocols.amqp10.codec.constants import RUN, TAG_MAX, TRANSFER
from batonmq.protocols.amqp10.codec.performatives import Transfer
from batonmq.protocols.amqp10.codec.transfer_template import ID_MASK, TransferTemplate

if TYPE_CHECKING:
    from collections.abc import Callable

TransferEvent: TypeAlias = tuple[Literal[5], int, Transfer, int | None, bytes | None, bytes]
RunEvent: TypeAlias = tuple[Literal[7], int, Transfer, int, list[bytes]]

# The most shapes and templates kept, and the most octets of fields after the delivery-tag in one that is kept.
CACHED: Final = 256
CACHED_OCTETS: Final = 64
# The end of the octets that distinguish templates: a list of up to 255 octets, a handle up to 255.
KEY_STOP: Final = 16

_u32: Final = struct.Struct(">I").unpack_from
_u32_u32: Final = struct.Struct(">II").unpack_from

_LIST8: Final = b"\x00\x53\x14\xc0"
_LIST32: Final = b"\x00\x53\x14\xd0"


class TransferReader:
    """Reads the transfers of one connection."""

    __slots__ = ("_gathers", "_shapes", "_template", "_templates")

    def __init__(self, *, gathers: bool = False) -> None:
        """``gathers``: transfers that differ only in id, tag and the contents of the payload become one event."""
        self._gathers = gathers
        # By the encoded fields around id and tag.
        self._shapes: dict[bytes, Transfer] = {}
        # By the first octets of a frame after its size: channel, size of the list, and mostly the handle.
        self._templates: dict[bytes, TransferTemplate] = {}
        self._template: TransferTemplate | None = None

    def run(self, data: bytes, at: int, end: int, most: int, emit: Callable[[TransferEvent | RunEvent], None]) -> int:
        """Emit an event for each whole frame from ``at`` on that is a transfer like the last; returns where they end.

        ``most`` is the largest size of a frame.
        """
        template = self._template
        while template is not None:
            start, head, middle, tail = template.start, template.head, template.middle, template.tail
            channel, shape = template.channel, template.shape
            unpack = template.layout.unpack_from
            last = end - start
            while at <= last:
                size, before, delivery_id, between, tag, behind = unpack(data, at)
                stop = at + size
                if before != head or behind != tail or between != middle or stop > end or not start <= size <= most:
                    break
                known = data[at : at + 4]
                are_many = data.startswith(known, stop) and data.startswith(known, stop + 3 * size)
                if self._gathers:
                    if are_many:
                        at = self._gather(data, at, end, size, emit)
                    else:
                        at = self._gather_sizes(data, at, end, most, emit)
                    continue
                emit((TRANSFER, channel, shape, delivery_id, tag, data[at + start : stop]))
                at = stop
                if are_many:
                    at = self._run_of_one_size(data, at, end, size, emit)
            # Is it a transfer of another link?
            other = self._templates.get(data[at + 4 : at + KEY_STOP])
            if other is None or other is template:
                break
            self._template = template = other
        return at

    def _run_of_one_size(
        self, data: bytes, at: int, end: int, size: int, emit: Callable[[TransferEvent | RunEvent], None]
    ) -> int:
        """The same for frames of that size, which are unpacked together with their payloads: half the time."""
        assert self._template is not None
        template = self._template
        head, middle, tail = template.head, template.middle, template.tail
        channel, shape = template.channel, template.shape
        unpack = struct.Struct(f"{template.layout.format}{size - template.start}s").iter_unpack
        whole = memoryview(data)[at : at + (end - at) // size * size]
        for its_size, before, delivery_id, between, tag, behind, payload in unpack(whole):
            if its_size != size or before != head or behind != tail or between != middle:
                break
            emit((TRANSFER, channel, shape, delivery_id, tag, payload))
            at += size
        return at

    def _gather(
        self, data: bytes, at: int, end: int, size: int, emit: Callable[[TransferEvent | RunEvent], None]
    ) -> int:
        """Emit runs of frames of that size, the first of which is like the last one; returns where they end."""
        assert self._template is not None
        template = self._template
        first, payloads = template.consecutive(data, at, end, size)
        if payloads:
            emit((RUN, template.channel, template.shape, first, payloads))
            return at + size * len(payloads)
        before = data[at : at + 4] + template.head
        middle, tail = template.middle, template.tail
        number, octets = template.number, size - template.start
        layout = struct.Struct(f">{len(before)}s{number}{len(middle)}s{template.tag_size}x{len(tail)}s{octets}s")
        expected = -1
        whole = memoryview(data)[at : at + (end - at) // size * size]
        begins: bytes
        delivery_id: int
        between: bytes
        behind: bytes
        payload: bytes
        for begins, delivery_id, between, behind, payload in layout.iter_unpack(whole):
            if begins != before or behind != tail or between != middle:
                break
            if delivery_id != expected:
                if payloads:
                    emit((RUN, template.channel, template.shape, first, payloads))
                    at += size * len(payloads)
                    payloads = []
                first = delivery_id
            payloads.append(payload)
            expected = delivery_id + 1 & ID_MASK
        emit((RUN, template.channel, template.shape, first, payloads))
        return at + size * len(payloads)

    def _gather_sizes(
        self, data: bytes, at: int, end: int, most: int, emit: Callable[[TransferEvent | RunEvent], None]
    ) -> int:
        """Emit one run of frames of any sizes, the first of which is like the last one; returns where it ends."""
        assert self._template is not None
        template = self._template
        start, head, middle, tail = template.start, template.head, template.middle, template.tail
        unpack = template.layout.unpack_from
        payloads: list[bytes] = []
        first = 0
        expected = -1
        first_tag = b""
        last = end - start
        size: int
        before: bytes
        delivery_id: int
        between: bytes
        tag: bytes
        behind: bytes
        while at <= last:
            size, before, delivery_id, between, tag, behind = unpack(data, at)
            stop = at + size
            if before != head or behind != tail or between != middle or stop > end or not start <= size <= most:
                break
            if not payloads:
                first, first_tag = delivery_id, tag
            elif delivery_id != expected:
                break
            payloads.append(data[at + start : stop])
            expected = delivery_id + 1 & ID_MASK
            at = stop
        if len(payloads) == 1:
            emit((TRANSFER, template.channel, template.shape, first, first_tag, payloads[0]))
        else:
            emit((RUN, template.channel, template.shape, first, payloads))
        return at

    def read(self, data: bytes, at: int, stop: int, channel: int) -> TransferEvent | None:
        """The frame from ``at`` to ``stop``, which has no extended header; None: not a transfer of the usual form.

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
        if not start:
            return TRANSFER, channel, shape, delivery_id, None, data[list_stop:stop]
        tag = data[start:tag_stop]
        if tag_at - id_at > 1 and len(behind) <= CACHED_OCTETS:
            # More frames like this are expected; ids that take no octets do not repeat.
            head = data[at + 4 : id_at + 1]
            number = "I" if tag_at - id_at == 5 else "B"
            template = TransferTemplate(number, head, data[tag_at:start], len(tag), behind, channel, shape)
            if len(self._templates) >= CACHED:
                self._templates.clear()
            self._templates[data[at + 4 : at + KEY_STOP]] = self._template = template
        return TRANSFER, channel, shape, delivery_id, tag, data[list_stop:stop]

    def forget(self) -> None:
        """Drop the templates: a similar frame may not be acceptable any more."""
        self._template = None
        self._templates.clear()

    def shape_of(self, transfer: Transfer) -> Transfer:
        """The shape of a decoded transfer: the same object as for similar ones."""
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


def _places(data: bytes, at: int, stop: int) -> tuple[int, int, int, int | None, int, int, int, int] | None:
    """The places of the fields of a transfer whose performative begins at ``at``.

    Handle; number of fields; place and value of the delivery-id; places of the tag's constructor, of its first octet
    (0: there is no tag) and of the field after it; where the payload begins. None: the performative has to be decoded,
    as there are fewer fields than these, or they are of other types.
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
