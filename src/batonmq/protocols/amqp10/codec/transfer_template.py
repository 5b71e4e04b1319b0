"""What transfers that follow each other have in common: all but id, tag and payload (part 2 §2.7.5)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.performatives import Transfer

ID_MASK: Final = 0xFFFF_FFFF

# Fewer frames than this are read one by one, and those with longer tags.
MANY: Final = 8
TAG_OCTETS: Final = 16
# How many frames are compared at first, and twice as many each time, up to those whose ids differ in the last octet.
FIRST: Final = 32
MOST: Final = 256
_LAST_OCTETS: Final = bytes(range(MOST))


class TransferTemplate:
    """The places of the parts in a frame like the last one, and the octets around its id and tag."""

    __slots__ = ("channel", "head", "layout", "middle", "number", "shape", "start", "tag_size", "tail")

    def __init__(
        self, number: str, head: bytes, middle: bytes, tag_size: int, tail: bytes, channel: int, shape: Transfer
    ) -> None:
        """``head``: the octets before the id, ``middle``: those between id and tag, ``tail``: those after the tag.

        ``number`` is the format of the id.
        """
        self.number = number
        self.tag_size = tag_size
        self.layout = struct.Struct(f">I{len(head)}s{number}{len(middle)}s{tag_size}s{len(tail)}s")
        """Unpacks everything before the payload."""
        self.start = self.layout.size
        """Where the payload begins."""
        self.head = head
        self.middle = middle
        self.tail = tail
        self.channel = channel
        self.shape = shape

    def consecutive(self, data: bytes, at: int, end: int, size: int) -> tuple[int, list[bytes]]:
        """The id of the frame at ``at``, and the payloads of frames of that size from there on whose ids follow it.

        There may be more than are found, and none are where there are only a few. What the frames should be is put
        together from their payloads and tags, and compared at once, which takes a third of reading one by one.
        """
        payloads: list[bytes] = []
        left = (end - at) // size
        if left < MANY or self.tag_size > TAG_OCTETS:
            return 0, payloads
        before = data[at : at + 4] + self.head
        id_size = struct.calcsize(self.number)
        id_stop = len(before) + id_size
        first = number = int.from_bytes(data[at + len(before) : at + id_stop], "big")
        tag_at = id_stop + len(self.middle)
        behind = self.middle + bytes(self.tag_size) + self.tail
        start = self.start
        most = FIRST
        while left and number < 1 << 8 * id_size:
            last_octet = number & 0xFF
            count = min(left, most, MOST - last_octet)
            while count and not data.startswith(before, at + (count - 1) * size):
                count >>= 1
            stop = at + count * size
            found = [data[place + start : place + size] for place in range(at, stop, size)]
            frames = bytearray(b"".join((before, number.to_bytes(id_size, "big"), behind))).join([b"", *found])
            frames[id_stop - 1 :: size] = _LAST_OCTETS[last_octet : last_octet + count]
            for place in range(tag_at, tag_at + self.tag_size):
                frames[place::size] = data[at + place : stop : size]
            if not count or not data.startswith(frames, at):
                break
            payloads += found
            at = stop
            left -= count
            number = number + count & ID_MASK
            most = min(2 * most, MOST)
        return first, payloads
