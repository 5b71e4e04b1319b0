"""What one transaction holds: collected during a turn, then written, then either durable or to be tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.message import DURABLE, READY

if TYPE_CHECKING:
    import apsw

    from batonmq.message import QueuedMessage

INSERT_PLAIN = "INSERT INTO message(id, exchange, routing_key, properties, body) VALUES(?,?,?,?,?)"
INSERT_FULL = (
    "INSERT INTO message(id, exchange, routing_key, properties, body, expires, deliveries, returned, stored, shared)"
    " VALUES(?,?,?,?,?,?,?,?,?,?)"
)
INSERT_BODY = "INSERT OR IGNORE INTO body VALUES(?,?)"
UPDATE = "UPDATE message SET deliveries = ?, returned = ?, expires = ? WHERE id = ?"
DELETE = "DELETE FROM message WHERE id BETWEEN ? AND ?"
DELETE_ORPHAN = "DELETE FROM body WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM message WHERE shared = ?1)"
MARK = "UPDATE lane SET handed = max(handed, ?) WHERE id = ?"


class Batch:
    """Everything that is written together."""

    __slots__ = ("deletes", "dropped_lanes", "inserts", "marks", "orphans", "statements", "updates")

    def __init__(self) -> None:
        # By row, so that what is settled before it was written need not be written.
        self.inserts: dict[int, QueuedMessage] = {}
        self.deletes: list[int] = []
        # Row: deliveries, returned, expires.
        self.updates: dict[int, tuple[int, int, int]] = {}
        # Lane: the last position that was handed to a consumer.
        self.marks: dict[int, int] = {}
        # Shared bodies that may have lost their last message.
        self.orphans: list[int] = []
        # Of definitions, lanes and trash, in the order in which they came: few, and never hot.
        self.statements: list[tuple[str, tuple[str | bytes | int, ...]]] = []
        self.dropped_lanes: list[int] = []

    def __bool__(self) -> bool:
        return bool(self.inserts or self.deletes or self.marks or self.updates or self.statements or self.dropped_lanes)

    @property
    def needs_sync(self) -> bool:
        """Does it hold what a client was, or will be, told to be safe?"""
        return bool(self.inserts or self.statements)

    def absorb(self, later: Batch) -> None:
        """Take in what came after."""
        self.inserts.update(later.inserts)
        self.deletes += later.deletes
        self.updates.update(later.updates)
        self.marks.update(later.marks)
        self.orphans += later.orphans
        self.statements += later.statements
        self.dropped_lanes += later.dropped_lanes

    def without_inserts(self) -> Batch:
        """What must be tried again after a failure: all but the messages, which were refused to their publishers."""
        rest = Batch()
        rest.absorb(self)
        rest.deletes = [row for row in self.deletes if row not in self.inserts]
        rest.updates = {row: update for row, update in self.updates.items() if row not in self.inserts}
        rest.inserts = {}
        return rest

    def write(self, db: apsw.Connection) -> None:
        """Into the open transaction, on the loop: `executemany` keeps it at 1 us a message."""
        for sql, values in self.statements:
            db.execute(sql, values)
        if self.inserts:
            self._write_inserts(db)
        if self.deletes:
            db.executemany(DELETE, spans(self.deletes))
        if self.updates:
            db.executemany(UPDATE, [(*update, row) for row, update in self.updates.items()])
        if self.marks:
            db.executemany(MARK, [(position, lane_id) for lane_id, position in self.marks.items()])
        if self.orphans:
            db.executemany(DELETE_ORPHAN, [(shared_id,) for shared_id in self.orphans])

    def _write_inserts(self, db: apsw.Connection) -> None:
        plain: list[tuple[int, str, str, bytes, bytes]] = []
        full: list[tuple[int | str | bytes | None, ...]] = []
        bodies: dict[int, bytes] = {}
        for row, queued in self.inserts.items():
            message = queued.message
            if queued.stored == DURABLE and not (queued.expires_at or queued.deliveries or message.shared_id):
                plain.append(
                    (row, message.exchange, message.routing_key, message.properties.raw, message.body),
                )
                continue
            shared = message.shared_id
            if shared:
                bodies[shared] = message.body
            full.append(
                (
                    row,
                    message.exchange,
                    message.routing_key,
                    message.properties.raw,
                    None if shared else message.body,
                    queued.expires_at,
                    queued.deliveries,
                    1 if queued.deliveries and queued.state == READY else 0,
                    queued.stored,
                    shared,
                )
            )
        if plain:
            db.executemany(INSERT_PLAIN, plain)
        if full:
            db.executemany(INSERT_FULL, full)
        if bodies:
            db.executemany(INSERT_BODY, bodies.items())


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
