"""Checksums of rows: SQLite has none, and disks sometimes return wrong bytes.

A message's checksum is the CRC-32 of its address, properties and body, plus its number and what else its row holds,
modulo a prime, so that no number can change in a single bit without it. As it is a sum, SQL carries it on when a row is
counted up or moved, without a look at the body. NULL, in rows that a version without checksums has written, is not
checked. 31 bits are four bytes in SQLite.
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

# Column and factor. What is 0 in most rows adds nothing; a framing alone adds the number that it is read as.
FACTORS = {"expires": 3, "deliveries": 5, "returned": 7, "shared": 11, "due": 13, "place": 17, "dead": 19}
FRAMED = f"((framing << 60) | (start << 30) | size) % {MODULUS}"
ADDED = " + ".join(
    [*(f"{name} % {MODULUS} * {factor}" for name, factor in FACTORS.items()), "(stored - 1) * 23", FRAMED]
)
"""SQL: what the row of a message adds to the checksum beside its number and its content."""


def changed(**values: str) -> str:
    """SQL: the checksum of a row of which these columns get these values."""
    terms = [f"({value} % {MODULUS} - {name} % {MODULUS}) * {FACTORS.get(name, 1)}" for name, value in values.items()]
    return f"(((checksum + {' + '.join(terms)}) % {MODULUS}) + {MODULUS}) % {MODULUS}"


def address_sum(exchange: str | bytes, routing_key: str | bytes) -> int:
    """The part of a content's sum that messages to one address share; both as they are in the file."""
    first = exchange.encode() if isinstance(exchange, str) else exchange
    second = routing_key.encode() if isinstance(routing_key, str) else routing_key
    return crc32(b"%d %s%s" % (len(first), first, second))


def content_sum(exchange: str, routing_key: str, raw: bytes, body: bytes) -> int:
    """Of a message with these properties and all that the store keeps of its body."""
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
    """What ``ADDED`` is for a row with these values."""
    framed = framing << 60 | start << 30 | size
    counted = expires * 3 + deliveries * 5 + returned * 7 + shared * 11
    return counted + due * 13 + place * 17 + dead * 19 + (stored - 1) * 23 + framed


def definition_sum(
    kind: str | bytes, vhost: str | bytes, name: str | bytes, value: str | bytes, arguments: bytes
) -> int:
    """Of a row of the table of definitions."""
    parts = [part.encode() if isinstance(part, str) else part for part in (kind, vhost, name, value, arguments)]
    return crc32(b"".join(b"%d %s" % (len(part), part) for part in parts)) % MODULUS


def lane_sum(lane_id: int, vhost: str | bytes, queue: str | bytes, priority: int) -> int:
    """Of whose a lane is."""
    return (address_sum(vhost, queue) + lane_id * 3 + priority) % MODULUS


def count_sum(lane_id: int, waiting: int, waiting_bytes: int) -> int:
    """Of what waits in a lane: a wrong count hides messages."""
    return (lane_id + waiting * 3 + waiting_bytes * 5) % MODULUS


def trash_sum(low: int, high: int) -> int:
    """Of a range of rows that are gone: a wrong one would have others deleted."""
    return (low * 3 + high) % MODULUS
