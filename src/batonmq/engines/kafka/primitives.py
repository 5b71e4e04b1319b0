"""The primitive types of Kafka's protocol, in its flexible encoding (KIP-482) and the older one for headers and SASL.

Sans-I/O. Numbers are big-endian; lengths of the compact types are unsigned varints, one more than the length.
"""

from __future__ import annotations

import struct

from batonmq.errors import ConnectionLost

__all__ = ["Reader", "Writer"]

_I8, _I16, _I32, _I64 = (struct.Struct(f">{code}") for code in "bhiq")


class Writer:
    """Puts a request together."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def octets(self) -> bytes:
        """The octets written so far."""
        return b"".join(self._parts)

    def raw(self, octets: bytes) -> Writer:
        """Octets as they are."""
        self._parts.append(octets)
        return self

    def int8(self, number: int) -> Writer:
        """One octet, signed."""
        return self.raw(_I8.pack(number))

    def int16(self, number: int) -> Writer:
        """Two octets, signed."""
        return self.raw(_I16.pack(number))

    def int32(self, number: int) -> Writer:
        """Four octets, signed."""
        return self.raw(_I32.pack(number))

    def varint(self, number: int) -> Writer:
        """An unsigned varint: seven bits an octet, the lowest first."""
        octets = bytearray()
        while number > 0x7F:
            octets.append(number & 0x7F | 0x80)
            number >>= 7
        octets.append(number)
        return self.raw(bytes(octets))

    def string(self, text: str | None) -> Writer:
        """A string with a length of two octets; None: null."""
        if text is None:
            return self.int16(-1)
        octets = text.encode()
        return self.int16(len(octets)).raw(octets)

    def compact(self, text: str | None) -> Writer:
        """A compact string; None: null."""
        return self.compact_octets(None if text is None else text.encode())

    def compact_octets(self, octets: bytes | None) -> Writer:
        """Compact bytes; None: null."""
        if octets is None:
            return self.varint(0)
        return self.varint(len(octets) + 1).raw(octets)

    def count(self, number: int | None) -> Writer:
        """The length of a compact array; None: null."""
        return self.varint(0 if number is None else number + 1)

    def no_tags(self) -> Writer:
        """The end of a structure without tagged fields."""
        return self.varint(0)


class Reader:
    """Takes an answer apart. Raises ConnectionLost where it ends too early: what sent it speaks something else."""

    __slots__ = ("_at", "_octets")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def raw(self, length: int) -> bytes:
        """So many octets as they are."""
        end = self._at + length
        if length < 0 or end > len(self._octets):
            raise ConnectionLost("the broker's answer is cut short: is it Kafka that listens there?")
        taken = self._octets[self._at : end]
        self._at = end
        return taken

    def int8(self) -> int:
        """One octet, signed."""
        return int(_I8.unpack(self.raw(1))[0])

    def int16(self) -> int:
        """Two octets, signed."""
        return int(_I16.unpack(self.raw(2))[0])

    def int32(self) -> int:
        """Four octets, signed."""
        return int(_I32.unpack(self.raw(4))[0])

    def int64(self) -> int:
        """Eight octets, signed."""
        return int(_I64.unpack(self.raw(8))[0])

    def varint(self) -> int:
        """An unsigned varint of at most 32 bits."""
        number = shift = 0
        while shift < 35:
            octet = self.raw(1)[0]
            number |= (octet & 0x7F) << shift
            if octet < 0x80:
                return number
            shift += 7
        raise ConnectionLost("the broker's answer holds a number without an end: is it Kafka that listens there?")

    def string(self) -> str | None:
        """A string with a length of two octets, or null."""
        length = self.int16()
        return None if length < 0 else self.raw(length).decode(errors="replace")

    def octets(self) -> bytes:
        """Bytes with a length of four octets; null is none."""
        length = self.int32()
        return b"" if length < 0 else self.raw(length)

    def compact(self) -> str | None:
        """A compact string, or null."""
        length = self.varint()
        return None if not length else self.raw(length - 1).decode(errors="replace")

    def compact_octets(self) -> bytes:
        """Compact bytes; null is none."""
        length = self.varint()
        return b"" if not length else self.raw(length - 1)

    def count(self) -> int:
        """The length of a compact array; null is none. Never more than there are octets left."""
        number = max(self.varint() - 1, 0)
        if number > len(self._octets) - self._at:
            raise ConnectionLost("the broker's answer is cut short: is it Kafka that listens there?")
        return number

    def tags(self) -> dict[int, bytes]:
        """Tagged fields: by their numbers, not read any further."""
        found: dict[int, bytes] = {}
        for _ in range(self.varint()):
            tag = self.varint()
            found[tag] = self.raw(self.varint())
        return found
