"""The new file of a repair: whole rows go in, damaged ones are reported, and missing definitions are recreated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import apsw

from batonmq.errors import BatonError, StoreCorrupt
from batonmq.field_encoding import encode_table
from batonmq.fields import FieldValue
from batonmq.properties import Properties
from batonmq.store.checksums import definition_sum, lane_sum, trash_sum
from batonmq.store.collecting import DEFINE
from batonmq.store.records import DELAY_LANE, LANES_MAX, POSITION_BITS, POSITION_MASK
from batonmq.store.salvage import MESSAGE_COLUMNS, Row, as_written, fault_of
from batonmq.store.schema import rows
from batonmq.store.starting import definition_of
from batonmq.store.texts import from_file, to_file

__all__ = ["Rescue", "Saved"]

MESSAGE = f"INSERT OR IGNORE INTO message VALUES({','.join('?' * len(MESSAGE_COLUMNS))})"
LANE = "INSERT OR IGNORE INTO lane(id, vhost, queue, priority, handed, returned, checksum) VALUES(?,?,?,?,?,?,?)"
BATCH = 1_000
SPILLED = 2


@dataclass(slots=True)
class Saved:
    """The result of a repair."""

    kept: dict[tuple[str, str], int] = field(default_factory=dict)
    """By virtual host and queue, the number of saved messages."""
    lost: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """By virtual host and queue, the damaged messages that were found: message ids, or lane and place."""
    notes: list[str] = field(default_factory=list)
    """Other losses, and replacements for them, one line each."""


class Rescue:
    """Takes rows in any order, and repeatedly: the first whole one of a number counts."""

    def __init__(self, to: apsw.Connection, advance: Callable[[int], None]) -> None:
        """``advance`` is called with how many more messages are in the new file."""
        self._to = to
        self._advance = advance
        self.saved = Saved()
        self._trash: list[tuple[int, int]] = []
        self._lanes: dict[int, tuple[str | bytes, str | bytes, int]] = {}
        self._queues: set[tuple[str, str]] = set()
        # By number, the name of a row of which only damaged copies were found.
        self._damaged: dict[int, str] = {}
        self._pending: list[Row] = []

    def take_trash(self, low: object, high: object, checksum: object) -> None:
        """Take a range of purged rows."""
        if type(low) is int and type(high) is int and checksum in (None, trash_sum(low, high)):
            self._trash.append((low, high))
        else:
            self.saved.notes.append("a range of purged messages is damaged: some of them may be back")

    def take_definition(self, row: Row) -> bool:
        """Take a row of definitions; returns whether it is whole."""
        try:
            found = definition_of(*row)
        except StoreCorrupt as error:
            if (line := f"{error}: it is lost") not in self.saved.notes:
                self.saved.notes.append(line)
            return False
        there = self._to.execute("SELECT 1 FROM definition WHERE kind = ? AND vhost = ? AND name = ?", row[:3]).get
        if there is None:
            self._to.execute(DEFINE, (*row[:5], definition_sum(*row[:5])))
            if found.kind == "queue":
                self._queues.add((found.vhost, found.name))
        return True

    def take_lane(self, row: Row, mark: int = 0) -> None:
        """Take a row of lanes; ``mark``: a further mark of the last position that was handed out, if known."""
        lane_id, vhost, queue, priority, handed, _, _, returned, checksum = row
        is_named = isinstance(vhost, str | bytes) and isinstance(queue, str | bytes) and type(priority) is int
        if not is_named or not 0 < lane_id <= LANES_MAX or lane_id in self._lanes:
            return
        if checksum is not None and checksum != lane_sum(lane_id, vhost, queue, priority):
            return
        self._lanes[lane_id] = vhost, queue, priority
        positions = [p if type(p) is int and 0 <= p <= POSITION_MASK else 0 for p in (handed, returned)]
        positions[0] = max(positions[0], mark)
        self._to.execute(LANE, (lane_id, vhost, queue, priority, *positions, lane_sum(lane_id, vhost, queue, priority)))

    def take_message(self, row: Row, shared_body: object = None) -> None:
        """Take a row of messages, with its body if that is a shared one."""
        row = as_written(row)
        number, shared = row[0], row[9]
        body = shared_body if shared else row[4]
        if row[8] == SPILLED or any(low <= number <= high for low, high in self._trash):
            return
        if fault := fault_of(row, body):
            self._damaged[number] = _name_of(row[3]) or f"{number >> POSITION_BITS}/{number & POSITION_MASK}: {fault}"
            return
        if shared:
            self._to.execute("INSERT OR IGNORE INTO body VALUES(?,?)", (shared, body))
        self._damaged.pop(number, None)
        self._pending.append(row)
        if len(self._pending) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write the rows taken so far."""
        before = self._to.total_changes()
        self._to.executemany(MESSAGE, self._pending)
        self._advance(self._to.total_changes() - before)
        self._pending.clear()

    def has_message(self, number: int) -> bool:
        """Was a message of that number taken and written?"""
        return bool(rows(self._to, "SELECT 1 FROM message WHERE id = ?", (number,)))

    # ------------------------------------------------------------------ missing definitions

    def complete(self, gaps: list[tuple[int, int]]) -> None:
        """Create queues for messages whose queue's definition or name is lost; count saved and lost messages.

        ``gaps``: the ranges of row numbers that could not be read in order.
        """
        lane_id = 0
        while found := rows(
            self._to, "SELECT id FROM message WHERE id >= ? LIMIT 1", ((lane_id + 1) << POSITION_BITS,)
        ):
            lane_id = found[0][0] >> POSITION_BITS
            if lane_id not in self._lanes:
                name = f"recovered.{lane_id}"
                self.take_lane((lane_id, "/", name, 0, 0, None, None, 0, None))
                self.saved.notes.append(f"the queue of lane {lane_id} is not known: its messages are in {name!r}")
        most: dict[tuple[str, str], int] = {}
        for lane_id, (vhost, queue, priority) in self._lanes.items():
            key = from_file(vhost), from_file(queue)
            first = lane_id << POSITION_BITS
            span = (first, first | POSITION_MASK)
            count = rows(self._to, "SELECT count(*) FROM message WHERE id BETWEEN ? AND ?", span)[0][0]
            if count or key in self._queues:
                self.saved.kept[key] = self.saved.kept.get(key, 0) + count
                most[key] = max(most.get(key, 0), priority if priority != DELAY_LANE else 0)
        for key, priority in most.items():
            if key not in self._queues:
                self._make_queue(*key, priority)
        for first, last in gaps:
            self._tell_gap(first, last)
        for number, name in self._damaged.items():
            lane = self._lanes.get(number >> POSITION_BITS)
            key = (from_file(lane[0]), from_file(lane[1])) if lane else ("", f"lane {number >> POSITION_BITS}")
            self.saved.lost.setdefault(key, []).append(name)

    def _tell_gap(self, first: int, last: int) -> None:
        """Report how many messages a gap may have lost; nothing for an unknown lane, or a gap across lanes."""
        lane = self._lanes.get(first >> POSITION_BITS)
        if lane is None or first >> POSITION_BITS != last >> POSITION_BITS:
            return
        found = rows(self._to, "SELECT count(*) FROM message WHERE id BETWEEN ? AND ?", (first, last))[0][0]
        left = last - first + 1 - found - sum(first <= number <= last for number in self._damaged)
        if left > 0:
            places = f"places {first & POSITION_MASK:,} to {last & POSITION_MASK:,} of queue {from_file(lane[1])!r}"
            self.saved.notes.append(f"{places}: up to {left:,} messages that were not settled yet are lost")

    def _make_queue(self, vhost: str, queue: str, priority: int) -> None:
        arguments: dict[str, FieldValue] = {"x-max-priority": priority} if priority else {}
        value = json.dumps({"auto_delete": False})
        row = ("queue", to_file(vhost), to_file(queue), value, encode_table(arguments))
        self._to.execute(DEFINE, (*row, definition_sum(*row)))
        instead = f"x-max-priority {priority}" if priority else "no arguments"
        line = f"the definition of queue {queue!r} in virtual host {vhost!r} is lost: now it is durable, with {instead}"
        self.saved.notes.append(line)


def _name_of(raw: object) -> str:
    try:
        return Properties.decode(raw).message_id or ""  # type: ignore[arg-type]
    except (AttributeError, BatonError, IndexError, TypeError, ValueError):
        return ""
