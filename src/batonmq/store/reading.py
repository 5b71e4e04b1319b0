"""Rows of the file as values: messages in several orders, and what a broker needs to come up."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import apsw

from batonmq.errors import BatonError, StoreCorrupt
from batonmq.field_decoding import decode_table
from batonmq.json_text import read_json
from batonmq.message import DeadLetter, Framing, Message, framing_of
from batonmq.properties import EMPTY, Properties
from batonmq.queued import UNCOUNTED
from batonmq.store.checksums import ADDED, MODULUS, WRONG, address_sum, count_sum, definition_sum, lane_sum, trash_sum
from batonmq.store.records import (
    LANES_MAX,
    POSITION_BITS,
    POSITION_MASK,
    Definition,
    LaneRecord,
    StoredMessage,
    StoredRun,
)
from batonmq.store.schema import rows
from batonmq.store.texts import from_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What is not as it is with most messages comes as one text, and NULL with most: each column costs 0.05 us. Up to the
# first value a crash has brought back what was not given back before, counted once more than its row says. A message of
# which nothing but the framing is unusual has that as one number, as a text takes 1 us more: there may be millions. One
# that was given back and never counted is told by a count beyond all others (``UNCOUNTED`` of queued.py).
SELECT = (
    "SELECT id, exchange, routing_key, properties,"
    " CASE WHEN shared > 0 THEN (SELECT body FROM body WHERE body.id = message.shared) ELSE message.body END,"
    " CASE WHEN expires | deliveries | (stored <> 1) | shared | due | place | dead | returned | (id <= ?1)"
    " THEN format('%d %d %d %d %d %d %d %d %d %d %d', expires,"
    " deliveries + (id <= ?1 AND NOT returned) + ((returned AND NOT deliveries) << 48),"
    f" stored, shared, due, place, dead, framing, start, size, {ADDED})"
    " WHEN framing THEN (framing << 60) | (start << 30) | size END, checksum FROM message "
)
# A body has at most 1,000,000,000 bytes in SQLite.
SIZE_BITS = 30
SIZE_MASK = (1 << SIZE_BITS) - 1
# Between two rows, after a time and a row of a lane of delays, and of a lane those whose time is over.
IN_ORDER = "WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
DELAYED = "WHERE id >> 45 = ? AND due > 0 AND due >= ? AND (due > ? OR id > ?) ORDER BY due, id LIMIT ?"
EXPIRED = "WHERE id >> 45 = ? AND expires > 0 AND expires <= ? AND id > ? ORDER BY expires LIMIT ?"

OUT_OF_BODY = "its framing has its body where it has none"
# How often a message can have been delivered; and what stands for one that came back, and was never counted.
COUNT_MAX = UNCOUNTED

# Rows of small tables that a start goes by, and that are not what was written.
UNSOUND = {
    "lane": (
        "SELECT * FROM lane WHERE typeof(vhost) NOT IN ('text', 'blob') OR typeof(queue) NOT IN ('text', 'blob')"
        " OR typeof(priority) <> 'integer'"
        " OR typeof(handed) <> 'integer' OR handed NOT BETWEEN 0 AND (1 << 45) - 1"
        " OR typeof(returned) <> 'integer' OR returned NOT BETWEEN 0 AND (1 << 45) - 1 LIMIT 1"
    ),
    "done": (
        "SELECT * FROM done WHERE typeof(guest) <> 'integer' OR typeof(number) <> 'integer'"
        " OR typeof(outcome) <> 'integer' LIMIT 1"
    ),
    "probe": "SELECT * FROM probe WHERE typeof(writes) <> 'integer' LIMIT 1",
}

DEFINITIONS = "SELECT kind, vhost, name, value, arguments, checksum FROM definition"
COUNT = "SELECT count(*), coalesce(sum(length(body)), 0) FROM message WHERE id BETWEEN ? AND ?"
# A look for a shared body at each row would make this two to four times as long.
COUNT_SHARED = (
    "SELECT coalesce(sum(length(body.body)), 0) FROM message JOIN body ON body.id = message.shared"
    " WHERE message.shared > 0 AND message.id BETWEEN ? AND ?"
)


def select_run(
    db: apsw.Connection, where: str, values: tuple[int, ...], most_bytes: int, returned_to: int
) -> StoredRun:
    """The messages of a lane that ``where`` finds, until their bodies make up that many bytes. Raises apsw.Error.

    ``returned_to``: the last row of the lane that a crash found in a consumer's hands; 0: none.

    2.5 us for a message of 1 KiB, of which SQLite takes 1.3, and its checksum 0.5.
    """
    run = StoredRun()
    add_row = run.rows.append
    add_message = run.messages.append
    cursor = db.execute(SELECT + where, (returned_to, *values))
    exchange = routing_key = ""
    raw = EMPTY.raw
    address = address_sum(exchange, routing_key)
    before_body = crc32(raw, address)
    properties = EMPTY
    framed = start = size = 0
    framing: Framing | None = None
    for row, new_exchange, new_key, new_raw, body, unusual, checksum in cursor:
        # Like messages share the objects of their address and properties, as a publisher's do: encoders go by identity.
        try:
            if new_exchange != exchange or new_key != routing_key:
                address = address_sum(new_exchange, new_key)
                before_body = crc32(raw, address)
                if new_exchange != exchange:
                    exchange = from_file(new_exchange)
                if new_key != routing_key:
                    routing_key = from_file(new_key)
            if new_raw != raw:
                properties = Properties.decode(new_raw)
                raw = new_raw
                before_body = crc32(raw, address)
            if type(body) is not bytes:
                raise TypeError(f"its body is {type(body).__name__}")
            if checksum is not None:
                beside = unusual or 0
                if type(beside) is str:
                    beside = int(beside.rpartition(" ")[2])
                if (crc32(body, before_body) + row + beside) % MODULUS != checksum:
                    raise ValueError(WRONG)
            if unusual is None:
                message = Message(exchange, routing_key, properties, body)
            elif type(unusual) is int:
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
                stored = run.unusual[row] = _unusual(row, exchange, routing_key, properties, body, unusual)
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


def _unusual(
    row: int, exchange: str, routing_key: str, properties: Properties, body: bytes, values: str
) -> StoredMessage:
    expires, returns, stored, shared, due, return_row, dead, code, start, size, _ = map(int, values.split())
    if not 0 <= returns <= COUNT_MAX:
        # It is counted on, and what SQLite has no number for would hold up every batch.
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
    """A run that was read ``IN_ORDER`` has rows between two, each once. Raises apsw.CorruptError.

    SQLite looks for the first one and goes on from there: where a page has the rows of another, they would come again
    and again.
    """
    found = run.rows
    if found and not (after_row < found[0] and found[-1] <= last_row and found == sorted(found)):
        raise apsw.CorruptError("rows of the table 'message' are out of order")


def unsound_rows(db: apsw.Connection) -> Iterator[tuple[str, str]]:
    """Rows of small tables that a start goes by and that are not what was written: the table, and what is wrong.

    Raises apsw.Error.
    """
    for table, query in UNSOUND.items():
        for row in rows(db, query):
            yield table, f"a row of its table {table!r} cannot be read: {row}"
    for lane_id, vhost, queue, priority, checksum in rows(db, "SELECT id, vhost, queue, priority, checksum FROM lane"):
        if not 0 <= lane_id <= LANES_MAX:
            yield "lane", f"lane {lane_id}, of queue {queue!r}: no lane has that number"
        elif checksum is not None and checksum != _sum_or_none(lane_sum, lane_id, vhost, queue, priority):
            yield "lane", f"lane {lane_id}, of queue {queue!r}: {WRONG}"
    for low, high, checksum in rows(db, "SELECT low, high, checksum FROM trash"):
        if type(high) is not int or (checksum is not None and checksum != trash_sum(low, high)):
            yield "trash", f"the range of deleted rows from {low} to {high}: {WRONG}"


def _sum_or_none(of: Callable[..., int], *values: object) -> int | None:
    """A checksum; None where values are of types that no row was written with."""
    try:
        return of(*values)
    except (AttributeError, TypeError):
        return None


def check_numbers(db: apsw.Connection) -> None:
    """What a start counts with must be what it was written as. Raises StoreCorrupt."""
    for _, what in unsound_rows(db):
        raise StoreCorrupt(what)


def read_definitions(db: apsw.Connection) -> list[Definition]:
    """All durable exchanges, queues, bindings and policies. Raises StoreCorrupt."""
    return [definition_of(*row) for row in rows(db, DEFINITIONS)]


def definition_of(
    kind: str, vhost: str | bytes, name: str | bytes, value: str, arguments: bytes, checksum: int | None
) -> Definition:
    """A row of the table of definitions. Raises StoreCorrupt."""
    try:
        if checksum is not None and checksum != definition_sum(kind, vhost, name, value, arguments):
            raise ValueError(WRONG)
        read = read_json(value)
        if not isinstance(read, dict):
            raise TypeError(f"its value is {type(read).__name__}")
        return Definition(kind, from_file(vhost), from_file(name), read, decode_table(arguments, 0, len(arguments))[0])
    except (AttributeError, BatonError, IndexError, TypeError, ValueError) as error:
        raise StoreCorrupt(f"the definition of {kind} {name!r} cannot be read: {error}") from error


def read_lanes(db: apsw.Connection) -> list[LaneRecord]:
    """All lanes with what waits in them, counted where an unclean end left no count.

    The counts are stale from now on.
    """
    lanes = []
    are_shared = bool(rows(db, "SELECT 1 FROM body LIMIT 1"))
    for lane_id, vhost, queue, priority, handed, waiting, size, counted in rows(
        db, "SELECT id, vhost, queue, priority, handed, waiting, waiting_bytes, counted FROM lane"
    ):
        first = lane_id << POSITION_BITS
        span = (first, first | POSITION_MASK)
        # A count that is wrong, or that a version without sums has left, does no harm: it is made anew.
        if counted is None or counted != _sum_or_none(count_sum, lane_id, waiting, size):
            waiting, size = rows(db, COUNT, span)[0]
            if are_shared:
                size += rows(db, COUNT_SHARED, span)[0][0]
        last = rows(db, "SELECT max(id) FROM message WHERE id BETWEEN ? AND ?", span)[0][0]
        # Places to which a message is yet to return, and those that the mark covers, are not to be taken by others.
        return_row = rows(db, "SELECT max(place) FROM message WHERE place > 0 AND place BETWEEN ? AND ?", span)
        last = max(last or 0, return_row[0][0] or 0, first | handed)
        lanes.append(LaneRecord(lane_id, from_file(vhost), from_file(queue), priority, waiting, size, last))
    db.execute("UPDATE lane SET waiting = NULL WHERE waiting IS NOT NULL")
    return lanes


def read_returned(db: apsw.Connection) -> dict[int, int]:
    """The last row of each lane that a crash found in a consumer's hands, where there is one."""
    found = rows(db, "SELECT id, returned FROM lane WHERE returned > 0")
    return {lane_id: lane_id << POSITION_BITS | position for lane_id, position in found}
