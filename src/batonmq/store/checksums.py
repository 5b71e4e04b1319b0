"""Checksums of rows: SQLite has none, and disks sometimes return wrong bytes.

A message's checksum is the CRC-32 of its address, properties and body, plus its number and what else its row holds,
modulo a prime, so that a change of a single bit in any number changes it. As it is a sum, SQL can adjust it when a row
is counted up or moved, without reading the body. NULL, in rows of versions without checksums, is not checked. 31 bits
are four bytes in SQLite.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from batonmq.store.texts import to_file

__all__ = [
    "ADDED",
    "MODULUS",
    "WRONG",
    "added",
    "address_sum",
    "changed",
    "content_sum",
    "count_sum",
    "definition_sum",
    "lane_sum",
    "trash_sum",
]

MODULUS: Final = (1 << 31) - 1
WRONG = "its checksum is wrong"

# Column and factor. Columns that are 0, as in most rows, add nothing; a framing adds the number that it is read as.
FACTORS = {"expires": 3, "deliveries": 5, "returned": 7, "shared": 11, "due": 13, "place": 17, "dead": 19}
FRAMED = f"((framing << 60) | (start << 30) | size) % {MODULUS}"
ADDED = " + ".join(
    [*(f"{name} % {MODULUS} * {factor}" for name, factor in FACTORS.items()), "(stored - 1) * 23", FRAMED]
)
"""SQL: the part of a message's checksum beyond its number and its content."""


def changed(**values: str) -> str:
    """SQL: the new checksum of a row when these columns get these values."""
    terms = [f"({value} % {MODULUS} - {name} % {MODULUS}) * {FACTORS.get(name, 1)}" for name, value in values.items()]
    return f"(((checksum + {' + '.join(terms)}) % {MODULUS}) + {MODULUS}) % {MODULUS}"


def address_sum(exchange: str | bytes, routing_key: str | bytes) -> int:
    """The part of a content's sum that messages to one address share; both values as they are in the file."""
    first = exchange.encode() if isinstance(exchange, str) else exchange
    second = routing_key.encode() if isinstance(routing_key, str) else routing_key
    return crc32(b"%d %s%s" % (len(first), first, second))


def content_sum(exchange: str, routing_key: str, raw: bytes, body: bytes) -> int:
    """The sum of a message's content: its address, properties and stored body."""
    return crc32(body, crc32(raw, address_sum(to_file(exchange), to_file(routing_key))))


def added(
    *,
    expires: int,
    deliveries: int,
    returned: int,
    stored: int,
    shared: int,
    due: int,
    place: int,
    dead: int,
    framing: int,
    start: int,
    size: int,
) -> int:
    """The value of ``ADDED`` for a row with these values."""
    framed = framing << 60 | start << 30 | size
    counted = expires * 3 + deliveries * 5 + returned * 7 + shared * 11
    return counted + due * 13 + place * 17 + dead * 19 + (stored - 1) * 23 + framed


def definition_sum(
    kind: str | bytes, vhost: str | bytes, name: str | bytes, value: str | bytes, arguments: bytes
) -> int:
    """The checksum of a row of the table of definitions."""
    parts = [part.encode() if isinstance(part, str) else part for part in (kind, vhost, name, value, arguments)]
    return crc32(b"".join(b"%d %s" % (len(part), part) for part in parts)) % MODULUS


def lane_sum(lane_id: int, vhost: str | bytes, queue: str | bytes, priority: int) -> int:
    """The checksum of a lane's owner."""
    return (address_sum(vhost, queue) + lane_id * 3 + priority) % MODULUS


def count_sum(lane_id: int, waiting: int, waiting_bytes: int) -> int:
    """The checksum of a lane's counts: a wrong count would hide messages."""
    return (lane_id + waiting * 3 + waiting_bytes * 5) % MODULUS


def trash_sum(low: int, high: int) -> int:
    """The checksum of a range of deleted rows: a wrong range would delete other rows."""
    return (low * 3 + high) % MODULUS
