"""The contents of one transaction: collected during a turn, then written, and then durable or tried again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias
from zlib import crc32

import apsw

from batonmq.points import reached
from batonmq.queued import DURABLE, HELD
from batonmq.store.checksums import ADDED, FACTORS, MODULUS, added, address_sum, changed, content_sum
from batonmq.store.texts import to_file

if TYPE_CHECKING:
    from batonmq.message import Message
    from batonmq.properties import Properties
    from batonmq.queued import QueuedMessage

log = logging.getLogger("batonmq.store")


def _insert(columns: str, count: int, *, is_held: bool) -> str:
    """A statement that inserts ``count`` rows with one address, which is bound once.

    apsw goes through its text each time: with numbers for all values, 32 rows take 2,300 instructions more.
    """
    held, ones = (", deliveries, returned", ",1,1") if is_held else ("", "")
    row = ",".join("?" * (columns.count(",") + 1))
    values = ",".join([f"(?1,?2{ones},{row})"] * count)
    return f"INSERT INTO message(exchange, routing_key{held}, {columns}) VALUES{values}"


def _inserts(columns: str, *, is_held: bool = False) -> list[tuple[int, str]]:
    """Statements that insert several rows, each with the number of its values.

    In a statement that inserts a single row, the row takes a third of the time. 64 rows at once are hardly cheaper than
    32.
    """
    width = columns.count(",") + 1
    return [(width * count, _insert(columns, count, is_held=is_held)) for count in (32, 8, 1)]


PLAIN_COLUMNS: Final = "id, properties, body, checksum"
FRAMED_COLUMNS: Final = "id, properties, body, framing, start, size, checksum"
PLAIN: Final = _inserts(PLAIN_COLUMNS)
FRAMED: Final = _inserts(FRAMED_COLUMNS)
# A message that a consumer holds when it is written is stored as if it had come back already. So its lane needs no mark
# for it, and a commit of one message writes one page instead of two.
PLAIN_HELD: Final = _inserts(PLAIN_COLUMNS, is_held=True)
FRAMED_HELD: Final = _inserts(FRAMED_COLUMNS, is_held=True)
# For a message that is written alone.
ONE: Final = PLAIN[-1][1]
ONE_HELD: Final = PLAIN_HELD[-1][1]
# What these two columns add to a checksum.
HELD_SUM: Final = FACTORS["deliveries"] + FACTORS["returned"]
INSERT_FULL: Final = (
    "INSERT INTO message(id, exchange, routing_key, properties, body, expires, deliveries, returned, stored, shared,"
    " due, place, dead, framing, start, size, checksum) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
MOVE: Final = (
    "UPDATE message SET id = ?1, due = ?2, place = ?3, expires = ?4, deliveries = ?5, returned = ?6, checksum = "
    + changed(id="?1", due="?2", place="?3", expires="?4", deliveries="?5", returned="?6")
    + " WHERE id = ?7"
)
INSERT_DEDUP_KEY: Final = "INSERT OR REPLACE INTO seen VALUES(?,?,?)"
DELETE_DEDUP_KEYS: Final = "DELETE FROM seen WHERE id BETWEEN ? AND ?"
INSERT_BODY: Final = "INSERT OR IGNORE INTO body VALUES(?,?)"
UPDATE: Final = (
    "UPDATE message SET deliveries = ?1, returned = ?2, expires = ?3, checksum = "
    + changed(deliveries="?1", returned="?2", expires="?3")
    + " WHERE id = ?4"
)
REWRITE: Final = (
    f"UPDATE message SET properties = ?, checksum = (? + id % {MODULUS} + {ADDED}) % {MODULUS} WHERE id = ?"
)
DELETE: Final = "DELETE FROM message WHERE id BETWEEN ? AND ?"
DELETE_ORPHAN: Final = "DELETE FROM body WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM message WHERE shared = ?1)"
INSERT_DONE: Final = "INSERT OR REPLACE INTO done VALUES(?,?,?)"
DELETE_DONE: Final = "DELETE FROM done WHERE guest = ? AND number <= ?"
MARK: Final = "UPDATE lane SET handed = max(handed, ?) WHERE id = ?"


# A batch of at most this many rows is brief.
BRIEF_ROWS: Final = 32
# So many deletes, in runs of so many rows on average, are few statements that take long.
LEFT_ROWS: Final = 256
LEFT_RUN: Final = 64

# New row, due, place, expires, deliveries, returned, old row.
Move: TypeAlias = tuple[int, int, int, int, int, int, int]
Value: TypeAlias = int | str | bytes | None


class Batch:
    """Everything that is written in one transaction."""

    __slots__ = (
        "dedup_keys",
        "delayed",
        "deleted_dedup_keys",
        "deletes",
        "dependents",
        "done",
        "dropped_lanes",
        "inserts",
        "known",
        "marks",
        "moves",
        "orphans",
        "rewritten",
        "statements",
        "updates",
    )

    def __init__(self) -> None:
        # By row, so that a message that is settled before it was written need not be written.
        self.inserts: dict[int, QueuedMessage] = {}
        # Copies of messages that this batch deletes or moves, and their originals.
        self.dependents: dict[Message, QueuedMessage] = {}
        # Delayed messages by row: when they are due, and the row to which they then return (0: the tail).
        self.delayed: dict[int, tuple[QueuedMessage, int, int]] = {}
        # Written in this order.
        self.moves: list[Move] = []
        self.deletes: list[int] = []
        # Row: deliveries, returned, expires.
        self.updates: dict[int, tuple[int, int, int]] = {}
        # Existing rows: their new properties, and the sum of their content.
        self.rewritten: dict[int, tuple[bytes, int]] = {}
        # Lane: the last position that was handed to a consumer.
        self.marks: dict[int, int] = {}
        # Shared bodies that may have lost their last message.
        self.orphans: list[int] = []
        # Statements about definitions, lanes and trash, in order: they are few, and never on the hot path.
        self.statements: list[tuple[str, tuple[str | bytes | int, ...]]] = []
        self.dropped_lanes: list[int] = []
        # Deduplication keys: id, key, time; and ranges of the ids of expired ones.
        self.dedup_keys: list[tuple[int, bytes, int]] = []
        self.deleted_dedup_keys: list[tuple[int, int]] = []
        # Commands of other processes that are done with this batch: the process, the command's number, the outcome; and
        # the number up to which each process knows the outcomes.
        self.done: list[tuple[int, int, int]] = []
        self.known: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(
            self.inserts
            or self.deletes
            or self.marks
            or self.updates
            or self.rewritten
            or self.statements
            or self.dropped_lanes
            or self.delayed
            or self.moves
            or self.dedup_keys
            or self.deleted_dedup_keys
            or self.done
            or self.known
        )

    def replace_inserts(self, inserts: dict[int, QueuedMessage]) -> dict[int, QueuedMessage]:
        """Write these messages instead; returns those that were to be written."""
        replaced, self.inserts = self.inserts, inserts
        return replaced

    @property
    def is_brief(self) -> bool:
        """Does it consist of a few rows and marks, without anything that may touch many rows?"""
        return len(self.inserts) + len(self.deletes) + len(self.updates) + len(self.marks) <= BRIEF_ROWS and not (
            self.statements or self.delayed or self.moves or self.rewritten or self.orphans or self.deleted_dedup_keys
        )

    @property
    def is_plain(self) -> bool:
        """Does it hold only messages, settlements and marks, each of which stands for itself?"""
        return not (
            self.statements
            or self.dependents
            or self.delayed
            or self.moves
            or self.rewritten
            or self.orphans
            or self.dropped_lanes
            or self.dedup_keys
            or self.deleted_dedup_keys
            or self.done
            or self.known
        )

    @property
    def needs_sync(self) -> bool:
        """Does it hold anything that a client is told is safe?"""
        return bool(self.inserts or self.statements or self.delayed)

    @property
    def may_free(self) -> bool:
        """Does it more than add rows and marks?"""
        return bool(
            self.deletes
            or self.orphans
            or self.statements
            or self.updates
            or self.rewritten
            or self.moves
            or self.deleted_dedup_keys
            or self.known
        )

    def lost(self) -> list[QueuedMessage]:
        """The messages that are lost if the batch fails: all those it writes for the first time, except dependents."""
        new = [*self.inserts.values(), *(queued for queued, _, _ in self.delayed.values())]
        return [queued for queued in new if queued.message not in self.dependents] if self.dependents else new

    def move(self, move: Move) -> None:
        """Give a row another number; new properties that it has in this batch move along."""
        self.updates.pop(move[-1], None)
        if (rewritten := self.rewritten.pop(move[-1], None)) is not None:
            self.rewritten[move[0]] = rewritten
        self.moves.append(move)

    def absorb(self, later: Batch) -> None:
        """Add the contents of a later batch."""
        self.inserts.update(later.inserts)
        self.dependents.update(later.dependents)
        self.delayed.update(later.delayed)
        for move in later.moves:
            self.move(move)
        self.deletes += later.deletes
        self.updates.update(later.updates)
        self.rewritten.update(later.rewritten)
        self.marks.update(later.marks)
        self.orphans += later.orphans
        self.statements += later.statements
        self.dropped_lanes += later.dropped_lanes
        self.dedup_keys += later.dedup_keys
        self.deleted_dedup_keys += later.deleted_dedup_keys
        self.done += later.done
        self.known.update(later.known)

    def again_before(self, later: Batch) -> Batch:
        """After a failure: the part of this batch to be tried again, with the later batch."""
        rest = self._without_inserts()
        # Messages that were settled while being written need not be written any more.
        for row in later.deletes:
            rest.inserts.pop(row, None)
        rest.absorb(later)
        rest.deletes = [row for row in rest.deletes if row not in self.inserts]
        return rest

    def _without_inserts(self) -> Batch:
        """The part to be tried again after a failure: all but the messages, which were refused to their publishers.

        A dependent has no publisher that was told, and its original is deleted with it: it stays.
        """
        rest = Batch()
        rest.absorb(self)
        rest.inserts = {row: queued for row, queued in self.inserts.items() if queued.message in self.dependents}
        rest.delayed = {row: entry for row, entry in self.delayed.items() if entry[0].message in self.dependents}
        refused = self.inserts.keys() - rest.inserts.keys()
        rest.deletes = [row for row in self.deletes if row not in self.inserts]
        rest.updates = {row: update for row, update in self.updates.items() if row not in refused}
        rest.rewritten = {row: raw for row, raw in self.rewritten.items() if row not in refused}
        # A move of a row that was never written does no harm. Keys are dropped with their messages.
        rest.dedup_keys = []
        # The other process was told that it failed.
        rest.done = []
        return rest

    def write(self, cursor: apsw.Cursor, *, leaves_runs: bool = False) -> list[tuple[int, int]]:
        """Write it into the open transaction, on the loop: with `executemany` it takes 1 us per message.

        ``leaves_runs``: many deletes in long runs are left for ``write_deletes``. Returns these runs.
        """
        for sql, values in self.statements:
            cursor.execute(sql, values)
        if (self.inserts or self.delayed) and not self._write_lone(cursor):
            self._write_inserts(cursor)
        reached("stage.rows")
        if self.moves:
            _write_rows(cursor, MOVE, self.moves)
        if self.dedup_keys:
            cursor.executemany(INSERT_DEDUP_KEY, self.dedup_keys)
        if self.deleted_dedup_keys:
            cursor.executemany(DELETE_DEDUP_KEYS, self.deleted_dedup_keys)
        if self.done:
            cursor.executemany(INSERT_DONE, self.done)
        if self.known:
            cursor.executemany(DELETE_DONE, self.known.items())
        if self.updates:
            cursor.executemany(UPDATE, [(*update, row) for row, update in self.updates.items()])
        if self.rewritten:
            cursor.executemany(REWRITE, [(*rewritten, row) for row, rewritten in self.rewritten.items()])
        if self.marks:
            cursor.executemany(MARK, [(position, lane_id) for lane_id, position in self.marks.items()])
        runs = spans(self.deletes) if self.deletes else []
        if leaves_runs and len(self.deletes) >= LEFT_ROWS and len(self.deletes) >= LEFT_RUN * len(runs):
            return runs
        self.write_deletes(cursor, runs)
        return []

    def write_deletes(self, cursor: apsw.Cursor, runs: list[tuple[int, int]]) -> None:
        """Delete rows, each run by its first and last one, and the shared bodies that nothing needs any more."""
        if runs:
            cursor.executemany(DELETE, runs)
        if self.orphans:
            cursor.executemany(DELETE_ORPHAN, [(shared_id,) for shared_id in self.orphans])

    def _write_lone(self, cursor: apsw.Cursor) -> bool:
        """Write a lone message, for half of what a run of one takes; False: there are more, or it is no plain one."""
        if len(self.inserts) != 1 or self.delayed:
            return False
        for row, queued in self.inserts.items():
            message = queued.message
            framing = message.framing
            if not _is_plain(queued, message) or (framing is not None and framing.code):
                return False
            exchange, routing_key = to_file(message.exchange), to_file(message.routing_key)
            raw, body = message.properties.raw, message.body
            sql, checksum = ONE, crc32(body, crc32(raw, address_sum(exchange, routing_key))) + row
            if queued.state == HELD:
                sql, checksum = ONE_HELD, checksum + HELD_SUM
            _write_rows(cursor, sql, [(exchange, routing_key, row, raw, body, checksum % MODULUS)])
        return True

    def _write_inserts(self, cursor: apsw.Cursor) -> None:
        runs: dict[tuple[str, str], _Run] = {}
        run: _Run | None = None
        full: list[tuple[Value, ...]] = []
        bodies: dict[int, bytes] = {}
        last_exchange: str | None = None
        last_key: str | None = None
        properties: Properties | None = None
        raw = b""
        before_body = 0
        sum_of = crc32
        for row, queued in self.inserts.items():
            message = queued.message
            if _is_plain(queued, message):
                # Similar messages share the objects of their address and properties.
                if run is None or message.exchange is not last_exchange or message.routing_key is not last_key:
                    last_exchange, last_key = message.exchange, message.routing_key
                    run = runs.get((last_exchange, last_key))
                    if run is None:
                        run = runs[last_exchange, last_key] = _Run(last_exchange, last_key)
                    properties = None
                if message.properties is not properties:
                    properties = message.properties
                    raw = properties.raw
                    before_body = sum_of(raw, run.sum)
                framing = message.framing
                if framing is None or not framing.code:
                    body = message.body
                    if queued.state != HELD:
                        run.plain += (row, raw, body, (sum_of(body, before_body) + row) % MODULUS)
                    else:
                        run.plain_held += (row, raw, body, (sum_of(body, before_body) + row + HELD_SUM) % MODULUS)
                else:
                    payload, start, size, code = message.payload, message.start, message.size, framing.code
                    checksum = sum_of(payload, before_body) + row + (code << 60 | start << 30 | size)
                    if queued.state != HELD:
                        run.framed += (row, raw, payload, code, start, size, checksum % MODULUS)
                    else:
                        run.framed_held += (row, raw, payload, code, start, size, (checksum + HELD_SUM) % MODULUS)
                continue
            if message.shared_id:
                bodies[message.shared_id] = message.kept
            full.append(_all_of(row, queued, 0, 0))
        for row, (queued, due, return_row) in self.delayed.items():
            if queued.message.shared_id:
                bodies[queued.message.shared_id] = queued.message.kept
            full.append(_all_of(row, queued, due, return_row))
        if runs:
            found = runs.values()
            _write_runs(cursor, PLAIN, [(run.address, run.plain) for run in found if run.plain])
            _write_runs(cursor, PLAIN_HELD, [(run.address, run.plain_held) for run in found if run.plain_held])
            _write_runs(cursor, FRAMED, [(run.address, run.framed) for run in found if run.framed])
            _write_runs(cursor, FRAMED_HELD, [(run.address, run.framed_held) for run in found if run.framed_held])
        if full:
            _write_rows(cursor, INSERT_FULL, full)
        if bodies:
            cursor.executemany(INSERT_BODY, bodies.items())


def _is_plain(queued: QueuedMessage, message: Message) -> bool:
    """Do the columns of PLAIN, or FRAMED, tell all of it?"""
    return queued.stored == DURABLE and not (
        queued.expires_at or queued.returns or message.shared_id or message.is_dead_letter
    )


class _Run:
    """The rows of messages with one address, with the columns of PLAIN and FRAMED."""

    __slots__ = ("address", "framed", "framed_held", "plain", "plain_held", "sum")

    def __init__(self, exchange: str, routing_key: str) -> None:
        in_file = to_file(exchange), to_file(routing_key)
        self.address: list[Value] = list(in_file)
        self.sum = address_sum(*in_file)
        self.plain: list[Value] = []
        self.plain_held: list[Value] = []
        self.framed: list[Value] = []
        self.framed_held: list[Value] = []


def _write_runs(
    cursor: apsw.Cursor, inserts: list[tuple[int, str]], runs: list[tuple[list[Value], list[Value]]]
) -> None:
    """Write the rows of each address, by as few statements as possible."""
    groups: list[tuple[int, str, list[list[Value]]]] = [(length, sql, []) for length, sql in inserts]
    for address, values in runs:
        at = 0
        end = len(values)
        for length, _, rows in groups:
            while end - at >= length:
                rows.append(address + values[at : at + length])
                at += length
    for _, sql, rows in groups:
        if rows:
            _write_rows(cursor, sql, rows)


def _write_rows(cursor: apsw.Cursor, sql: str, rows: Sequence[Sequence[Value]]) -> None:
    """Write rows; one that exists already, which is a fault of ours, is replaced, so that the batch does not fail."""
    try:
        cursor.executemany(sql, rows)
    except apsw.ConstraintError as error:
        log.error("a fault of the broker's own: %s; the rows that are in the way are replaced", error)
        verb = sql.split(" ", 1)[0]
        cursor.executemany(sql.replace(verb, f"{verb} OR REPLACE", 1), rows)


def _all_of(row: int, queued: QueuedMessage, due: int, return_row: int) -> tuple[Value, ...]:
    message = queued.message
    framing = message.framing
    code = framing.code if framing is not None else 0
    is_held = queued.state == HELD
    deliveries = queued.return_count + is_held
    returned = 1 if queued.returns or is_held else 0
    start, size = (message.start, message.size) if code else (0, 0)
    exchange, routing_key, raw, kept = message.exchange, message.routing_key, message.properties.raw, message.kept
    checksum = content_sum(exchange, routing_key, raw, kept)
    checksum += row + added(
        expires=queued.expires_at,
        deliveries=deliveries,
        returned=returned,
        stored=queued.stored,
        shared=message.shared_id,
        due=due,
        place=return_row,
        dead=int(message.is_dead_letter),
        framing=code,
        start=start,
        size=size,
    )
    return (
        row,
        to_file(exchange),
        to_file(routing_key),
        raw,
        None if message.shared_id else kept,
        queued.expires_at,
        deliveries,
        returned,
        queued.stored,
        message.shared_id,
        due,
        return_row,
        int(message.is_dead_letter),
        code,
        start,
        size,
        checksum % MODULUS,
    )


def spans(rows: list[int]) -> list[tuple[int, int]]:
    """Rows as first and last of each unbroken run: a ranged delete costs half of single ones."""
    rows.sort()
    found: list[tuple[int, int]] = []
    first = last = rows[0]
    for row in rows:
        if row > last + 1:
            found.append((first, last))
            first = row
        last = row
    found.append((first, last))
    return found
