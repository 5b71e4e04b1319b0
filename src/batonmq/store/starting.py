"""The reads of a broker's start: definitions, lanes, and checks of small tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from batonmq.errors import BatonError, StoreCorrupt
from batonmq.field_decoding import decode_table
from batonmq.json_text import read_json
from batonmq.store.checksums import WRONG, count_sum, definition_sum, lane_sum, trash_sum
from batonmq.store.records import LANES_MAX, POSITION_BITS, POSITION_MASK, Definition, LaneRecord
from batonmq.store.schema import rows
from batonmq.store.texts import from_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Damaged rows of small tables on which a start depends.
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
# A lookup of a shared body for each row would make the count two to four times slower.
COUNT_SHARED = (
    "SELECT coalesce(sum(length(body.body)), 0) FROM message JOIN body ON body.id = message.shared"
    " WHERE message.shared > 0 AND message.id BETWEEN ? AND ?"
)


def unsound_rows(db: apsw.Connection) -> Iterator[tuple[str, str]]:
    """Damaged rows of small tables on which a start depends: the table, and the error.

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
    """A checksum; None for values of types that no row is written with."""
    try:
        return of(*values)
    except (AttributeError, TypeError):
        return None


def check_numbers(db: apsw.Connection) -> None:
    """Check the small tables on which a start depends. Raises StoreCorrupt."""
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
    """All lanes with the counts of their messages, counted again if an unclean end left no count.

    The stored counts become invalid.
    """
    lanes = []
    are_shared = bool(rows(db, "SELECT 1 FROM body LIMIT 1"))
    for lane_id, vhost, queue, priority, handed, waiting, size, counted in rows(
        db, "SELECT id, vhost, queue, priority, handed, waiting, waiting_bytes, counted FROM lane"
    ):
        first = lane_id << POSITION_BITS
        span = (first, first | POSITION_MASK)
        # A count that is wrong, or from a version without sums, does no harm: the messages are counted again.
        if counted is None or counted != _sum_or_none(count_sum, lane_id, waiting, size):
            waiting, size = rows(db, COUNT, span)[0]
            if are_shared:
                size += rows(db, COUNT_SHARED, span)[0][0]
        last = rows(db, "SELECT max(id) FROM message WHERE id BETWEEN ? AND ?", span)[0][0]
        # Places to which a message will return, and those that the mark covers, must not be used for others.
        return_row = rows(db, "SELECT max(place) FROM message WHERE place > 0 AND place BETWEEN ? AND ?", span)
        last = max(last or 0, return_row[0][0] or 0, first | handed)
        lanes.append(LaneRecord(lane_id, from_file(vhost), from_file(queue), priority, waiting, size, last))
    db.execute("UPDATE lane SET waiting = NULL WHERE waiting IS NOT NULL")
    return lanes


def read_returned(db: apsw.Connection) -> dict[int, int]:
    """By lane, the last row that a consumer held at a crash, if there is one."""
    found = rows(db, "SELECT id, returned FROM lane WHERE returned > 0")
    return {lane_id: lane_id << POSITION_BITS | position for lane_id, position in found}
