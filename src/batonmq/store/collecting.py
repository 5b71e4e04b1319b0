"""Collects the changes of a turn, as the batch that is written when the turn ends.

Nothing here touches the file. A message that is settled before it was written leaves no trace, and a commit may be put
off for that (``part``).
"""

from __future__ import annotations

import json
from time import perf_counter
from typing import TYPE_CHECKING

from batonmq.field_encoding import encode_table
from batonmq.purity import mypyc_attr
from batonmq.queued import HELD, READY
from batonmq.store.batch import Batch
from batonmq.store.checksums import content_sum, definition_sum, lane_sum, trash_sum
from batonmq.store.interface import Store
from batonmq.store.parts import PARTS_MAX, Parts
from batonmq.store.records import POSITION_BITS, POSITION_MASK, Definition
from batonmq.store.schema import ADD_TRASH
from batonmq.store.texts import to_file

if TYPE_CHECKING:
    from batonmq.message import Message
    from batonmq.queued import QueuedMessage

DEFINE = (
    "INSERT INTO definition(kind, vhost, name, value, arguments, checksum) VALUES(?,?,?,?,?,?)"
    " ON CONFLICT(kind, vhost, name)"
    " DO UPDATE SET value = excluded.value, arguments = excluded.arguments, checksum = excluded.checksum"
)

# From this size on, the body of a message to several durable queues is stored once; smaller ones are copied, which is
# cheaper.
SHARED_BODY_MIN = 4096

# Settlements and marks of messages that were written before do not wait longer than this, in seconds.
ASIDE_SECONDS = 0.01
# Nor do so many new messages in one turn: each is looked at.
PART_MAX = 4096


@mypyc_attr(allow_interpreted_subclasses=True)
class Collecting(Store):
    """The half of a store that only collects."""

    def __init__(self) -> None:
        super().__init__()
        self._next_shared = 1
        # The messages of batches that were put off, and since when there are any.
        self._parts = Parts()
        self._parts_since = 0.0
        # So many of them, the newest, were made before anybody looked whether they may wait.
        self._unseen = 0
        self._collect_into(Batch())

    def _collect_into(self, batch: Batch) -> None:
        self._collected = batch
        # Parts of the batch, cached for the hot path.
        self._inserts = batch.inserts
        self._deletes = batch.deletes

    def _change(self, sql: str, *values: str | bytes | int) -> None:
        self.changes += 1
        self._collected.statements.append((sql, values))

    def define(self, definition: Definition) -> None:
        vhost, name = to_file(definition.vhost), to_file(definition.name)
        value, arguments = json.dumps(definition.value), encode_table(definition.arguments)
        checksum = definition_sum(definition.kind, vhost, name, value, arguments)
        self._change(DEFINE, definition.kind, vhost, name, value, arguments, checksum)

    def forget(self, kind: str, vhost: str, name: str) -> None:
        self._change(
            "DELETE FROM definition WHERE kind = ? AND vhost = ? AND name = ?", kind, to_file(vhost), to_file(name)
        )

    def add_lane(self, lane_id: int, vhost: str, queue: str, priority: int) -> None:
        sql = "INSERT OR REPLACE INTO lane(id, vhost, queue, priority, checksum) VALUES(?,?,?,?,?)"
        names = to_file(vhost), to_file(queue)
        self._change(sql, lane_id, *names, priority, lane_sum(lane_id, *names, priority))

    def drop_lane(self, lane_id: int) -> None:
        first = lane_id << POSITION_BITS
        self._collected.marks.pop(lane_id, None)
        self._change("DELETE FROM lane WHERE id = ?", lane_id)
        self.drop_rows(first, first | POSITION_MASK)
        self._collected.dropped_lanes.append(lane_id)

    def drop_rows(self, first_row: int, last_row: int) -> None:
        self._join_parts()
        if self._inserts:
            for row in [row for row in self._inserts if first_row <= row <= last_row]:
                del self._inserts[row]
        delayed = self._collected.delayed
        for row in [row for row in delayed if first_row <= row <= last_row]:
            del delayed[row]
        self._change(ADD_TRASH, first_row, last_row, trash_sum(first_row, last_row))

    def insert(self, queued: QueuedMessage) -> None:
        if len(self._inserts) >= self._grain:
            self._cut()
        self._inserts[queued.row] = queued
        self.pending_bytes += queued.message.weight + 128

    def insert_all(self, run: list[QueuedMessage]) -> None:
        if len(self._inserts) >= self._grain:
            self._cut()
        inserts = self._inserts
        octets = 128 * len(run)
        for queued in run:
            inserts[queued.row] = queued
            octets += queued.message.weight
        self.pending_bytes += octets

    def delete(self, queued: QueuedMessage) -> None:
        # A message that was not staged yet need not be written at all.
        if self._inserts.pop(queued.row, None) is None and not (self._parts and self._leaves_part(queued.row)):
            self._deletes.append(queued.row)
            if queued.message.shared_id:
                self._collected.orphans.append(queued.message.shared_id)

    def delete_all(self, settled: list[QueuedMessage]) -> None:
        inserts = self._inserts
        deletes = self._deletes
        has_parts = bool(self._parts)
        for queued in settled:
            # While a backlog is drained there are none.
            if (not inserts or inserts.pop(queued.row, None) is None) and not (
                has_parts and self._leaves_part(queued.row)
            ):
                deletes.append(queued.row)
                if queued.message.shared_id:
                    self._collected.orphans.append(queued.message.shared_id)

    def _leaves_part(self, row: int) -> bool:
        """A message is settled: was it in a batch that was put off?"""
        was_there, is_last = self._parts.pop(row)
        if is_last and self._when_settled is not None:
            self._when_settled()
        return was_there

    def is_pending(self, queued: QueuedMessage) -> bool:
        return queued.row in self._inserts or (bool(self._parts) and self._parts.has(queued.row))

    def replace(self, heir: QueuedMessage) -> None:
        if not (self._parts and self._parts.replace(heir)):
            self._inserts[heir.row] = heir

    def undelete(self, queued: QueuedMessage) -> None:
        if queued.row in self._deletes:
            self._deletes.remove(queued.row)

    def insert_dependent(self, copy: Message, origin: QueuedMessage) -> None:
        self._collected.dependents[copy] = origin

    def drop_dependents(self, origin: QueuedMessage) -> list[QueuedMessage]:
        self._join_parts()
        collected = self._collected
        copies = {copy for copy, original in collected.dependents.items() if original is origin}
        found = [queued for queued in self._inserts.values() if queued.message in copies]
        for queued in found:
            del self._inserts[queued.row]
        for copy in copies:
            del collected.dependents[copy]
        return found

    def update(self, queued: QueuedMessage) -> None:
        if not self.is_pending(queued):
            self._collected.updates[queued.row] = (queued.return_count, queued.state == READY, queued.expires_at)

    def rewrite(self, queued: QueuedMessage) -> None:
        # A message that is not written yet will be written in its state at that time.
        if not self.is_pending(queued) and queued.row not in self._collected.delayed:
            message = queued.message
            raw = message.properties.raw
            content = content_sum(message.exchange, message.routing_key, raw, message.kept)
            self._collected.rewritten[queued.row] = raw, content

    def hold(self, queued: QueuedMessage) -> None:
        # Written as if it had come back already; settling deletes the row, and coming back writes the same again.
        self._collected.updates[queued.row] = (queued.return_count + 1, 1, queued.expires_at)

    def insert_delayed(self, queued: QueuedMessage, due: int, return_row: int) -> None:
        self._collected.delayed[queued.row] = (queued, due, return_row)
        self.pending_bytes += queued.message.weight + 128

    def move(self, queued: QueuedMessage, from_row: int, due: int = 0, return_row: int = 0) -> None:
        self._join_parts()
        collected = self._collected
        if self._inserts.pop(from_row, None) is not None or collected.delayed.pop(from_row, None) is not None:
            # Not written yet: it will be written in its new place.
            if due:
                collected.delayed[queued.row] = (queued, due, return_row)
            else:
                self._inserts[queued.row] = queued
            return
        returned = 1 if queued.returns and queued.state != HELD else 0
        collected.move((queued.row, due, return_row, queued.expires_at, queued.return_count, returned, from_row))

    def insert_dedup_key(self, number: int, key: bytes, at: int) -> None:
        self._collected.dedup_keys.append((number, key, at))

    def delete_dedup_keys(self, first: int, last: int) -> None:
        self._collected.deleted_dedup_keys.append((first, last))

    def note_done(self, guest: int, number: int, outcome: int) -> None:
        self._collected.done.append((guest, number, outcome))

    def forget_done(self, guest: int, last: int) -> None:
        self._collected.known[guest] = last

    def note_serving(self) -> None:
        self.served = self.opening
        self._change("INSERT OR REPLACE INTO probe VALUES(3, ?)", self.opening)

    def mark_handed(self, lane_id: int, position: int) -> None:
        self._collected.marks[lane_id] = position

    def drop_mark(self, lane_id: int) -> None:
        self._collected.marks.pop(lane_id, None)

    def share(self, message: Message) -> None:
        if not message.shared_id and message.weight >= SHARED_BODY_MIN:
            message.share_as(self._next_shared)
            self._next_shared += 1

    # ------------------------------------------------------------------ batches that are put off

    def may_wait(self) -> bool:
        inserts = self._inserts
        collected = self._collected
        if len(inserts) > PART_MAX or not (inserts or self._parts) or not collected.is_plain:
            return False
        has_aside = self._deletes or collected.updates or collected.marks
        if has_aside and self._parts_since and perf_counter() - self._parts_since > ASIDE_SECONDS:
            return False
        parts = self._parts
        if self._unseen and not parts.may_begin(self._unseen, perf_counter()):
            return False
        self._unseen = 0
        return parts.are_served(inserts)

    def part(self) -> None:
        if not self._inserts or len(self._parts) >= PARTS_MAX:
            return
        if not self._parts_since:
            self._parts_since = perf_counter()
        self._inserts = {}
        inserts = self._collected.replace_inserts(self._inserts)
        self._parts.add(self.batch, inserts, self.pending_bytes - self._parts.octets)
        self.batch += 1

    def _cut(self) -> None:
        """Have what comes next in another batch, so that its publisher is told of what was settled before it."""
        if len(self._parts) < PARTS_MAX and self._collected.is_plain:
            self.part()
            self._unseen += 1

    def waits_since(self) -> float:
        parts = self._parts
        # Those that nobody has looked at yet may have been made while another commit went on.
        return parts.began() if len(parts) > self._unseen else 0.0

    def take_settled(self) -> int:
        if not self._parts:
            if not self._inserts and not self._collected.delayed:
                self.pending_bytes = 0
            return 0
        if not self._collected.is_plain:
            return 0
        settled = self._parts.take_empty()
        if not settled:
            return 0
        self._unseen = min(self._unseen, len(self._parts))
        last = settled[-1]
        self.spared += len(settled)
        self.spared_after = perf_counter() - last.began
        for part in settled:
            self.pending_bytes -= part.octets
        return last.batch

    def _join_parts(self) -> None:
        """Have all that is to be written in one batch, the one that is being collected."""
        parts = self._parts
        if parts:
            self._unseen = 0
            self._inserts = parts.take_all(self._inserts)
            self._collected.replace_inserts(self._inserts)
        else:
            # It was asked whether the latest may wait, and then it did not.
            parts.served.clear()
