"""The contents of one transaction: collected during a turn, then written, and then durable or tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from batonmq.points import reached
from batonmq.store.checksums import ADDED, MODULUS, changed
from batonmq.store.inserting import write_messages, write_rows

if TYPE_CHECKING:
    import apsw

    from batonmq.message import Message
    from batonmq.queued import QueuedMessage
    from batonmq.store.inserting import Delayed

MOVE: Final = (
    "UPDATE message SET id = ?1, due = ?2, place = ?3, expires = ?4, deliveries = ?5, returned = ?6, checksum = "
    + changed(id="?1", due="?2", place="?3", expires="?4", deliveries="?5", returned="?6")
    + " WHERE id = ?7"
)
INSERT_DEDUP_KEY: Final = "INSERT OR REPLACE INTO seen VALUES(?,?,?)"
DELETE_DEDUP_KEYS: Final = "DELETE FROM seen WHERE id BETWEEN ? AND ?"
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
        # By row.
        self.delayed: dict[int, Delayed] = {}
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
        """Write it into the open transaction, on the loop.

        ``leaves_runs``: many deletes in long runs are left for ``write_deletes``. Returns these runs.
        """
        for sql, values in self.statements:
            cursor.execute(sql, values)
        if self.inserts or self.delayed:
            write_messages(cursor, self.inserts, self.delayed)
        reached("stage.rows")
        if self.moves:
            write_rows(cursor, MOVE, self.moves)
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
