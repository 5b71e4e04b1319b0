"""A run of messages, packed by SQLite into a few values in one step.

Row by row, a message of 16 bytes takes 8,800 instructions, and SQLite's binding needs the interpreter's lock for each.
Packed, SQLite takes 3,900 per body, without that lock, and unpacking takes 1,300 each: a thread can read ahead while
the loop dispatches.

There are two forms. Messages that are alike in all but their contents, and have consecutive row numbers, are their
bodies. All others come with one number for each, its head, and with what differs from a known message: address,
properties, expiry, framing. A run ends before a row that has anything else, such as a return count or a large body.

Everything is checked. A run must have every row up to its last one; and the sum over all checksums, each multiplied by
its place, must match that of the unpacked messages. Otherwise the rows are read one by one.
"""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

import apsw

from batonmq.errors import BatonError
from batonmq.message import Message, framing_of
from batonmq.properties import Properties
from batonmq.purity import i64
from batonmq.store.checksums import FACTORS, MODULUS, address_sum
from batonmq.store.reading import OUT_OF_BODY, SIZE_BITS, SIZE_MASK
from batonmq.store.records import StoredMessage, StoredRun
from batonmq.store.texts import from_file, to_file

__all__ = ["BODY_MAX", "Packed", "pack", "unpack"]

# A thousand messages of this size are the most that is read at once. With larger ones most of the time is copying.
BODY_MAX: Final = 4096
# Names of an address, in bytes. Those that AMQP allows have 255 at most.
NAME_MAX: Final = 1_000
# How many row numbers one run may stretch over; those of settled messages are among them.
REACH: Final = (1 << 14) - 1

# A head, from its low bits: the row's number after the first one, the sizes of body, properties, exchange and routing
# key, the last two plus 1; is there an expiry, is there a framing? What is as in the known message is 0, so that most
# heads are short.
BODY_AT: Final = 14
PROPERTIES_AT: Final = 27
EXCHANGE_AT: Final = 40
KEY_AT: Final = 50
EXPIRES: Final = 1 << 60
FRAMED: Final = 1 << 61
SIZE_OF_BODY: Final = (1 << 13) - 1
SIZE_OF_NAME: Final = (1 << 10) - 1

# NOT INDEXED: in the order of the row numbers.
_ROWS: Final = "FROM message NOT INDEXED WHERE id > ?1 AND id <= ?2"
_SUM: Final = "sum(checksum * (id - ?1))"
_BODIES: Final = "CAST(group_concat(body, '') AS BLOB)"
_USUAL: Final = "NOT (deliveries | returned | (stored <> 1) | shared | due | place | dead)"
# Compared column by column, although the checksum has all of them in it: it is against disks, and whoever publishes can
# choose the sum of a message, to be taken for that of somebody else.
ALIKE: Final = (
    f"SELECT count(*), max(id), {_SUM}, {_BODIES} {_ROWS} AND exchange = ?3 AND routing_key = ?4"
    f" AND typeof(body) = 'blob' AND checksum IS NOT NULL AND {_USUAL} AND NOT (expires | framing)"
    " AND length(body) = ?5 AND properties = ?6"
)
# How far so many rows go.
BOUND: Final = f"SELECT count(*), max(id) FROM (SELECT id {_ROWS} ORDER BY id LIMIT ?3)"
PACKABLE: Final = (
    f"{_USUAL} AND typeof(body) = 'blob' AND typeof(properties) = 'blob' AND typeof(checksum) = 'integer'"
    # None at all would be taken for those of the known message.
    " AND properties <> x''"
    f" AND length(body) + length(properties) <= {BODY_MAX}"
    f" AND octet_length(exchange) <= {NAME_MAX} AND octet_length(routing_key) <= {NAME_MAX}"
)
FIRST_OTHER: Final = f"SELECT id {_ROWS} AND ({PACKABLE}) IS NOT TRUE ORDER BY id LIMIT 1"
_SAME_ADDRESS: Final = "exchange = ?3 AND routing_key = ?4"
_HEAD: Final = (
    f"(id - ?1) | (length(body) << {BODY_AT})"
    f" | CASE WHEN properties = ?5 THEN 0 ELSE length(properties) << {PROPERTIES_AT} END"
    f" | CASE WHEN {_SAME_ADDRESS} THEN 0"
    f" ELSE ((octet_length(exchange) + 1) << {EXCHANGE_AT}) | ((octet_length(routing_key) + 1) << {KEY_AT}) END"
    f" | CASE WHEN expires THEN {EXPIRES} ELSE 0 END | CASE WHEN framing THEN {FRAMED} ELSE 0 END"
)
VARIED: Final = (
    f"SELECT count(*), max(id), {_SUM}, {_BODIES}, group_concat({_HEAD}),"
    " CAST(group_concat(CASE WHEN properties = ?5 THEN NULL ELSE properties END, '') AS BLOB),"
    f" CAST(group_concat(CASE WHEN {_SAME_ADDRESS} THEN NULL"
    " ELSE CAST(exchange AS BLOB) || CAST(routing_key AS BLOB) END, '') AS BLOB),"
    " group_concat(CASE WHEN expires THEN expires END),"
    f" group_concat(CASE WHEN framing THEN (framing << {2 * SIZE_BITS}) | (start << {SIZE_BITS}) | size END)"
    f" {_ROWS} AND {PACKABLE}"
)


class Packed:
    """Messages of a lane, in the order of their rows."""

    __slots__ = ("addresses", "bodies", "checksum", "count", "expiries", "framings", "heads", "like", "raws")

    def __init__(self, like: Message, count: int, checksum: int, bodies: bytes) -> None:
        self.like = like
        self.count = count
        self.checksum = checksum
        self.bodies = bodies
        # Numbers with commas between; empty if all messages are like ``like``, and have consecutive row numbers.
        self.heads = ""
        # What some messages have, one after another.
        self.raws = b""
        self.addresses = b""
        self.expiries = ""
        self.framings = ""

    @property
    def octets(self) -> int:
        """About how much memory it takes."""
        return len(self.bodies) + len(self.raws) + len(self.addresses) + 64 * self.count


def pack(
    db: apsw.Connection, after_row: int, last_row: int, most: int, like: Message, *, is_alike: bool
) -> Packed | None:
    """At most so many messages after ``after_row``, up to ``last_row``; ``like``: a message of their lane.

    ``is_alike``: they are probably all like that one. None: the rows have to be read one by one. Raises apsw.Error.
    """
    packed = _alike(db, after_row, min(last_row, after_row + most), like) if is_alike else None
    if packed is not None and packed.count * 2 >= most:
        return packed
    db.execute("BEGIN")
    try:
        varied = _varied(db, after_row, min(last_row, after_row + REACH), most, like)
    finally:
        db.execute("ROLLBACK")
    if packed is not None and (varied is None or varied.count <= packed.count):
        return packed
    return varied


def _alike(db: apsw.Connection, after_row: int, last_row: int, like: Message) -> Packed | None:
    address = to_file(like.exchange), to_file(like.routing_key)
    found = _row(db, ALIKE, (after_row, last_row, *address, like.weight, like.properties.raw))
    count, last, checksum, bodies = found
    if not count or last - after_row != count or type(checksum) is not int:
        return None
    return Packed(like, count, checksum, bodies or b"")


def _varied(db: apsw.Connection, after_row: int, last_row: int, most: int, like: Message) -> Packed | None:
    """Within one transaction, so that each row that is counted is also read."""
    there, last_row = _row(db, BOUND, (after_row, last_row, most))
    if not there:
        return None
    values = to_file(like.exchange), to_file(like.routing_key), like.properties.raw
    found = _row(db, VARIED, (after_row, last_row, *values))
    if found[0] < there:
        last_row = _row(db, FIRST_OTHER, (after_row, last_row))[0] - 1
        found = _row(db, VARIED, (after_row, last_row, *values))
    count, last, checksum, bodies, heads, raws, addresses, expiries, framings = found
    if not count or not after_row < last <= last_row or type(checksum) is not int:
        return None
    packed = Packed(like, count, checksum, bodies or b"")
    packed.heads = heads
    packed.raws = raws or b""
    packed.addresses = addresses or b""
    packed.expiries = expiries or ""
    packed.framings = framings or ""
    return packed


def _row(db: apsw.Connection, sql: str, values: tuple[int | str | bytes, ...]) -> tuple[Any, ...]:
    return tuple(db.execute(sql, values).fetchall()[0])


def unpack(packed: Packed, after_row: int) -> StoredRun | None:
    """Unpack the messages; None: the checksum or the contents are wrong, and reading row by row finds which."""
    if not packed.heads:
        return _unpack_alike(packed, after_row)
    try:
        return _unpack_varied(packed, after_row)
    except (BatonError, IndexError, ValueError):
        return None


def _unpack_alike(packed: Packed, after_row: int) -> StoredRun | None:
    like = packed.like
    exchange = like.exchange
    routing_key = like.routing_key
    properties = like.properties
    bodies = packed.bodies
    # Kept as an object, since it is passed with each body.
    before_body: Any = crc32(properties.raw, address_sum(to_file(exchange), to_file(routing_key)))
    size: i64 = like.weight
    sum_of: Any = crc32
    run = StoredRun()
    messages: list[Message] = run.messages
    total: i64 = 0
    at: i64 = 0
    row: i64 = after_row
    place: i64 = 0
    while place < packed.count:
        row += 1
        body = bodies[at : at + size]
        at += size
        place += 1
        checksum: i64 = sum_of(body, before_body)
        total += (checksum + row) % MODULUS * place
        messages.append(Message(exchange, routing_key, properties, body))
    if total != packed.checksum or at != len(bodies):
        return None
    run.rows.extend(range(after_row + 1, row + 1))
    return run


def _unpack_varied(packed: Packed, after_row: int) -> StoredRun | None:
    """Raises BatonError, IndexError, ValueError for contents that are wrong."""
    like = packed.like
    exchange = like.exchange
    routing_key = like.routing_key
    properties = like.properties
    usual_address: Any = address_sum(to_file(exchange), to_file(routing_key))
    usual_before_body: Any = crc32(properties.raw, usual_address)
    bodies = packed.bodies
    raws = packed.raws
    octets = packed.addresses
    expiries = _numbers(packed.expiries)
    framings = _numbers(packed.framings)
    known: dict[tuple[bytes, int], tuple[str, str, int]] = {}
    last_raw = properties.raw
    last_properties = properties
    sum_of: Any = crc32
    run = StoredRun()
    rows: list[int] = run.rows
    messages: list[Message] = run.messages
    unusual: dict[int, StoredMessage] = run.unusual
    expiry_factor: i64 = FACTORS["expires"]
    first_row: i64 = after_row
    total: i64 = 0
    place: i64 = 0
    at: i64 = 0
    raw_at: i64 = 0
    address_at: i64 = 0
    expiry_at: i64 = 0
    framing_at: i64 = 0
    for number in _numbers(packed.heads):
        head: i64 = number
        last_place: i64 = place
        place = head & REACH
        if place <= last_place:
            return None
        row: i64 = first_row + place
        body_end: i64 = at + (head >> BODY_AT & SIZE_OF_BODY)
        body = bodies[at:body_end]
        at = body_end
        if head >> PROPERTIES_AT == 0:
            checksum: i64 = sum_of(body, usual_before_body)
            total += (checksum + row) % MODULUS * place
            rows.append(row)
            messages.append(Message(exchange, routing_key, properties, body))
            continue
        to_exchange = exchange
        with_key = routing_key
        address = usual_address
        exchange_field: i64 = head >> EXCHANGE_AT & SIZE_OF_NAME
        if exchange_field:
            exchange_size: int = exchange_field - 1
            address_end: i64 = address_at + exchange_field + (head >> KEY_AT & SIZE_OF_NAME) - 2
            names = octets[address_at:address_end]
            address_at = address_end
            found = known.get((names, exchange_size))
            if found is None:
                first, second = names[:exchange_size], names[exchange_size:]
                found = from_file(first), from_file(second), address_sum(first, second)
                known[names, exchange_size] = found
            to_exchange, with_key, address = found
        with_properties = properties
        raw_size: i64 = head >> PROPERTIES_AT & SIZE_OF_BODY
        if raw_size:
            raw = raws[raw_at : raw_at + raw_size]
            raw_at += raw_size
            if raw != last_raw:
                last_properties = Properties.decode(raw)
                last_raw = raw
            with_properties = last_properties
        checksum = sum_of(body, sum_of(with_properties.raw, address))
        checksum += row
        if head & FRAMED:
            framed = framings[framing_at]
            framing_at += 1
            checksum = (checksum + framed % MODULUS) % MODULUS
            message = _framed(to_exchange, with_key, with_properties, body, framed)
        else:
            message = Message(to_exchange, with_key, with_properties, body)
        if head & EXPIRES:
            expires = expiries[expiry_at]
            expiry_at += 1
            checksum += expires % MODULUS * expiry_factor
            unusual[row] = StoredMessage(row, message, expires)
        total += checksum % MODULUS * place
        rows.append(row)
        messages.append(message)
    is_whole = len(rows) == packed.count and at == len(bodies) and raw_at == len(raws) and address_at == len(octets)
    if not is_whole or expiry_at != len(expiries) or framing_at != len(framings) or total != packed.checksum:
        return None
    return run


def _numbers(text: str) -> list[int]:
    return list(map(int, text.split(","))) if text else []


def _framed(exchange: str, routing_key: str, properties: Properties, body: bytes, framed: int) -> Message:
    """A message in a framing, whose number has its code, and the body's place and size."""
    start = framed >> SIZE_BITS & SIZE_MASK
    size = framed & SIZE_MASK
    weight = len(body)
    if framed < 0 or start + size > weight:
        raise ValueError(OUT_OF_BODY)
    return Message(exchange, routing_key, properties, body, start, size, framing_of(framed >> 2 * SIZE_BITS), weight)
