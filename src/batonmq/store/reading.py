"""Reads messages from rows of their table, in several orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import apsw

from batonmq.errors import BatonError
from batonmq.message import DeadLetter, Framing, Message, framing_of
from batonmq.properties import EMPTY, Properties
from batonmq.queued import UNCOUNTED
from batonmq.store.checksums import ADDED, MODULUS, WRONG, address_sum
from batonmq.store.records import StoredMessage, StoredRun
from batonmq.store.schema import octets
from batonmq.store.texts import from_file

# The unusual values of a row come as one text, which is NULL for most messages: each column costs 0.05 us. Rows up to
# the first parameter were brought back by a crash and, unless given back before, count one delivery more than recorded.
# A message whose only unusual value is the framing has that as a number, as a text takes 1 us more: there may be
# millions. One that was given back and never counted has a count beyond all others (``UNCOUNTED`` of queued.py).
# An address comes as bytes: in a damaged file a text may not be UTF-8, at which a cursor fails.
SELECT = (
    "SELECT id, CAST(exchange AS BLOB), CAST(routing_key AS BLOB), {},"
    " CASE WHEN shared > 0 THEN (SELECT {} FROM body WHERE body.id = message.shared) ELSE {} END,"
    " CASE WHEN expires | deliveries | (stored <> 1) | shared | due | place | dead | returned | (id <= ?1)"
    " THEN format('%d %d %d %d %d %d %d %d %d %d %d', expires,"
    " deliveries + (id <= ?1 AND NOT returned) + ((returned AND NOT deliveries) << 48),"
    f" stored, shared, due, place, dead, framing, start, size, {ADDED})"
    " WHEN framing THEN (framing << 60) | (start << 30) | size END, {} FROM message "
)
COLUMNS = ("properties", "body.body", "message.body", "checksum")
AS_WRITTEN = SELECT.format(*COLUMNS)
# One wrong bit of its type makes a text of octets. This reads them, too: 0.15 us more for 1 KiB.
WITHOUT_TEXTS = SELECT.format(*map(octets, COLUMNS))
# A body has at most 1,000,000,000 bytes in SQLite.
SIZE_BITS: Final = 30
SIZE_MASK: Final = (1 << SIZE_BITS) - 1
# Rows between two; rows of a lane of delayed messages after a time and a row; expired rows of a lane.
IN_ORDER = "WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
DELAYED = "WHERE id >> 45 = ? AND due > 0 AND due >= ? AND (due > ? OR id > ?) ORDER BY due, id LIMIT ?"
EXPIRED = "WHERE id >> 45 = ? AND expires > 0 AND expires <= ? AND id > ? ORDER BY expires LIMIT ?"

OUT_OF_BODY = "its framing has its body where it has none"
# The highest delivery count, which marks a message that came back and was never counted.
COUNT_MAX = UNCOUNTED

if TYPE_CHECKING:
    from collections.abc import Iterator


def select_run(
    db: apsw.Connection, where: str, values: tuple[int, ...], most_bytes: int, returned_to: int
) -> StoredRun:
    """The messages of a lane that ``where`` finds, until their bodies reach that many bytes. Raises apsw.Error.
    ``returned_to``: the last row of the lane that a crash found in a consumer's hands; 0: none.

    2.5 us for a message of 1 KiB, of which SQLite takes 1.3, and its checksum 0.5.
    """
    try:
        return _select(db, AS_WRITTEN + where, (returned_to, *values), most_bytes)
    except UnicodeDecodeError:
        return _select(db, WITHOUT_TEXTS + where, (returned_to, *values), most_bytes)


def _select(db: apsw.Connection, sql: str, values: tuple[int, ...], most_bytes: int) -> StoredRun:
    run = StoredRun()
    add_row = run.rows.append
    add_message = run.messages.append
    cursor = db.execute(sql, values)
    # In a damaged file any column may hold any value, except for the row number.
    entries: Iterator[tuple[int, object, object, object, object, object, object]] = cursor
    exchange = routing_key = ""
    exchange_octets = key_octets = b""
    raw = EMPTY.raw
    address = address_sum(exchange, routing_key)
    # Kept as an object, since it is passed with each body.
    before_body: Any = crc32(raw, address)
    properties = EMPTY
    framed = start = size = 0
    framing: Framing | None = None
    sum_of: Any = crc32
    for row, new_exchange, new_key, new_raw, body, unusual, checksum in entries:
        # Similar messages share the objects of their address and properties, like a publisher's: encoders compare by
        # identity.
        try:
            if not (isinstance(new_exchange, bytes) and new_exchange == exchange_octets):
                exchange_octets = _octets("a name of its address is", new_exchange)
                address = address_sum(exchange_octets, key_octets)
                before_body = sum_of(raw, address)
                exchange = from_file(exchange_octets)
            if not (isinstance(new_key, bytes) and new_key == key_octets):
                key_octets = _octets("a name of its address is", new_key)
                address = address_sum(exchange_octets, key_octets)
                before_body = sum_of(raw, address)
                routing_key = from_file(key_octets)
            if not isinstance(new_raw, bytes):
                new_raw = _octets("its properties are", new_raw)
            if new_raw != raw:
                properties = Properties.decode(new_raw)
                raw = new_raw
                before_body = sum_of(raw, address)
            if not isinstance(body, bytes):
                body = _octets("its body is", body)
            if checksum is not None:
                expected: int = sum_of(body, before_body) + row
                if unusual is not None:
                    expected += _beside(unusual)
                if not isinstance(checksum, int) or checksum != expected % MODULUS:
                    raise ValueError(WRONG)
            if unusual is None:
                message = Message(exchange, routing_key, properties, body)
            elif isinstance(unusual, int):
                if unusual != framed:
                    framing = framing_of(unusual >> 2 * SIZE_BITS)
                    start = unusual >> SIZE_BITS & SIZE_MASK
                    size = unusual & SIZE_MASK
                    framed = unusual
                weight = len(body)
                if start + size > weight:
                    raise ValueError(OUT_OF_BODY)
                message = Message(exchange, routing_key, properties, body, start, size, framing, weight)
            else:
                stored = run.unusual[row] = _unusual(row, exchange, routing_key, properties, body, str(unusual))
                message = stored.message
        except (AttributeError, BatonError, IndexError, TypeError, ValueError) as error:
            run.unreadable[row] = str(error)
            continue
        add_row(row)
        add_message(message)
        most_bytes -= message.weight
        if most_bytes <= 0:
            cursor.close()
            break
    return run


def _beside(unusual: object) -> int:
    """The part of a row's checksum beyond its content and number: the last number of the text."""
    if isinstance(unusual, int):
        return unusual
    return int(str(unusual).rpartition(" ")[2])


def _octets(what: str, value: object) -> bytes:
    """The octets of a value; of a text, too: its bytes are what they were, which the checksum tells."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise TypeError(f"{what} {type(value).__name__}")


def _unusual(
    row: int, exchange: str, routing_key: str, properties: Properties, body: bytes, values: str
) -> StoredMessage:
    expires, returns, stored, shared, due, return_row, dead, code, start, size, _ = map(int, values.split())
    if not 0 <= returns <= COUNT_MAX:
        # It will be counted up, and a number too large for SQLite would make every batch fail.
        raise ValueError(f"its count is {returns}")
    kind = DeadLetter if dead else Message
    if code:
        if not (0 <= start <= start + size <= len(body)):
            raise ValueError(OUT_OF_BODY)
        message = kind(exchange, routing_key, properties, body, start, size, framing_of(code), len(body))
    else:
        message = kind(exchange, routing_key, properties, body)
    if shared:
        message.share_as(shared)
    return StoredMessage(row, message, expires, returns, stored, due, return_row)


def check_order(run: StoredRun, after_row: int, last_row: int) -> None:
    """Check that a run read ``IN_ORDER`` has only rows between two, each once. Raises apsw.CorruptError.

    SQLite searches for the first one and continues from there: if a page has the rows of another page, the same rows
    would come again and again.
    """
    found = run.rows
    if found and not (after_row < found[0] and found[-1] <= last_row and found == sorted(found)):
        raise apsw.CorruptError("rows of the table 'message' are out of order")
