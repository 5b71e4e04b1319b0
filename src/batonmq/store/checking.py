"""Checks a store's file: its pages by SQLite, its rows by their checksums."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from batonmq.errors import BatonError, StoreCorrupt, StoreError
from batonmq.properties import Properties
from batonmq.store.failures import DAMAGE
from batonmq.store.leftovers import has_log
from batonmq.store.log_breaks import log_break
from batonmq.store.looking import look_into, open_to_look
from batonmq.store.reading import select_run
from batonmq.store.records import LANES_MAX, POSITION_BITS, POSITION_MASK, StoredRun
from batonmq.store.repairing import has_remains
from batonmq.store.salvage import Gap, past_damage
from batonmq.store.schema import is_marked_open, octets, rows
from batonmq.store.starting import DEFINITIONS, definition_of, unsound_rows
from batonmq.store.texts import from_file
from batonmq.store.verifying import AllWhole, look_through

__all__ = ["Problem", "QueueReport", "Report", "check_file"]

# The rows that are read at a time, and the bytes.
RUN = 10_000
RUN_BYTES = 64 << 20
# The most problems of each kind that are reported one by one.
TOLD = 100
# The conditions of partial indexes.
INDEXES = {
    "message_expires": "expires > 0",
    "message_spilled": "stored = 2",
    "message_shared": "shared > 0",
    "message_due": "due > 0",
    "message_place": "place > 0",
}
NAME = b"SQLite format 3\0"
# Other lanes are reported with the rows of their table.
NAMED = "WHERE typeof(vhost) IN ('text', 'blob') AND typeof(queue) IN ('text', 'blob')"


@dataclass(frozen=True, slots=True)
class Problem:
    """One damaged item."""

    where: str
    """file, log, table, definition, lane, queue."""
    what: str


@dataclass(slots=True)
class QueueReport:
    """The messages of one queue in a file, including purged ones that are not deleted yet."""

    vhost: str
    queue: str
    messages: int = 0
    """The number of whole ones."""
    damaged: int = 0
    """The number of rows that cannot be served; those in unreadable pages are not known."""
    ids: list[str] = field(default_factory=list)
    """The message ids of the damaged ones, or lane and place if they have no readable id; at most 100."""


@dataclass(slots=True)
class Report:
    """The result of a check."""

    path: str
    size: int = 0
    """In octets, with the log."""
    format: int = 0
    """The version of the file's format; 0: unknown."""
    problems: list[Problem] = field(default_factory=list)
    queues: list[QueueReport] = field(default_factory=list)
    definitions: int = 0

    @property
    def is_whole(self) -> bool:
        return not self.problems


def check_file(path: str, advance: Callable[[int], None] = lambda _: None) -> Report:
    """Check a file without changing it, even while it is open elsewhere.

    ``advance`` is called with the number of messages read. Raises StoreError if there is no file, it cannot be read, it
    belongs to another program, or its format is newer.
    """
    report = Report(path)
    if not _is_database(path, report):
        return report
    try:
        db = open_to_look(path)
    except apsw.Error as error:
        raise StoreError(f"cannot read {path}: {error}") from error
    kept = contextlib.ExitStack()
    try:
        _look(db, report, kept, advance)
    except DAMAGE as error:
        report.problems.append(Problem("file", f"it cannot be read: {error}"))
    except apsw.Error as error:
        raise StoreError(f"cannot read {path}: {error}") from error
    finally:
        db.close()
        kept.close()
    return report


def _is_database(path: str, report: Report) -> bool:
    """Is the file one that SQLite can open? Raises StoreError."""
    try:
        with Path(path).open("rb") as file:
            name = file.read(len(NAME))
            report.size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    if name != NAME and not has_log(path) and not has_remains(Path(path)):
        raise StoreCorrupt(f"{path} is not a BatonMQ store: nothing of one is in it")
    if not report.size:
        report.problems.append(Problem("file", "it is empty"))
    elif name != NAME:
        what = "it holds nothing but zeros" if not name.strip(b"\0") else "its first bytes are not those of a database"
        report.problems.append(Problem("file", what))
    if has_log(path):
        report.size += os.stat(path + "-wal").st_size  # noqa: PTH116
    return not report.problems


def _look(db: apsw.Connection, report: Report, kept: contextlib.ExitStack, advance: Callable[[int], None]) -> None:
    had_log = has_log(report.path)
    db.execute("BEGIN")
    # From here on this connection sees no changes by others.
    report.format = look_into(db, report.path)
    add = report.problems.append
    if not had_log and is_marked_open(db):
        add(Problem("log", "it was not closed in order, and its log (-wal) is gone: confirmed messages may be missing"))
    elif had_log and (broken := log_break(report.path, kept)):
        add(Problem("log", str(broken)))
    for step in (_check_pages, _check_definitions, _check_small):
        with _what_cannot_be_read(report):
            step(db, report)
    with _what_cannot_be_read(report):
        _check_messages(db, report, advance)
    for found in report.queues:
        if found.damaged:
            what = f"{found.damaged:,} of {found.messages + found.damaged:,} messages are damaged"
            add(Problem("queue", f"queue {found.queue!r} in virtual host {found.vhost!r}: {what}"))


@contextlib.contextmanager
def _what_cannot_be_read(report: Report) -> Iterator[None]:
    """A context manager: an unreadable part of the file is reported, and the check continues with others."""
    try:
        yield
    except DAMAGE as error:
        problem = Problem("file", f"it cannot be read: {error}")
        if problem not in report.problems:
            report.problems.append(problem)


def _check_pages(db: apsw.Connection, report: Report) -> None:
    for (what,) in rows(db, f"PRAGMA integrity_check({TOLD})"):
        if what != "ok":
            report.problems += [Problem("file", line) for line in str(what).splitlines() if "***" not in line]
    for index, condition in INDEXES.items():
        # The integrity check does not check that the pages of an index belong to one.
        rows(db, f"SELECT count(*) FROM main.message INDEXED BY {index} WHERE {condition}")


def _check_small(db: apsw.Connection, report: Report) -> None:
    report.problems += [Problem(table, what) for table, what in unsound_rows(db)]


def _check_definitions(db: apsw.Connection, report: Report) -> None:
    queues: set[tuple[str, str]] = set()
    for row in rows(db, DEFINITIONS):
        try:
            found = definition_of(*row)
        except StoreCorrupt as error:
            report.problems.append(Problem("definition", str(error)))
            continue
        report.definitions += 1
        if found.kind == "queue":
            queues.add((found.vhost, found.name))
    for lane_id, vhost, queue, waiting in rows(
        db,
        "SELECT id, vhost, queue, (SELECT count(*) FROM (SELECT 1 FROM message WHERE id BETWEEN lane.id << 45"
        f" AND lane.id << 45 | ((1 << 45) - 1) LIMIT 1)) FROM lane {NAMED}",
    ):
        if waiting and (from_file(vhost), from_file(queue)) not in queues:
            what = f"queue {from_file(queue)!r} in virtual host {from_file(vhost)!r} has messages and no definition"
            report.problems.append(Problem("definition", f"{what} (lane {lane_id})"))


def _check_messages(db: apsw.Connection, report: Report, advance: Callable[[int], None]) -> None:
    lanes = {
        lane_id: (from_file(vhost), from_file(queue))
        for lane_id, vhost, queue in rows(db, f"SELECT id, vhost, queue FROM lane {NAMED}")
    }
    # If SQLite has found no damage, rows are at least in order.
    fast = None if any(problem.where == "file" for problem in report.problems) else AllWhole(db)
    dropped = {low >> POSITION_BITS for (low,) in rows(db, "SELECT low FROM trash WHERE low & ((1 << 45) - 1) = 0")}
    by_queue: dict[tuple[str, str], QueueReport] = {}
    for lane_id, (vhost, queue) in sorted(lanes.items()):
        if not 0 <= lane_id <= LANES_MAX:
            # It is reported with the other rows of its table.
            continue
        if (vhost, queue) not in by_queue:
            by_queue[vhost, queue] = QueueReport(vhost, queue)
            report.queues.append(by_queue[vhost, queue])
        found = by_queue[vhost, queue]
        _check_lane(db, lane_id, found, report, advance, fast)
    lane_id = -1
    while True:
        following = rows(
            db, "SELECT id FROM message WHERE id >= ? ORDER BY id LIMIT 1", ((lane_id + 1) << POSITION_BITS,)
        )
        if not following:
            break
        lane_id = following[0][0] >> POSITION_BITS
        if lane_id not in lanes and lane_id not in dropped and _has_lasting(db, lane_id):
            found = QueueReport("", f"(lane {lane_id})")
            _check_lane(db, lane_id, found, report, advance, fast)
            report.problems.append(
                Problem("lane", f"{found.messages:,} messages are of lane {lane_id}, which no queue has")
            )
        if lane_id >= LANES_MAX:
            break


def _has_lasting(db: apsw.Connection, lane_id: int) -> bool:
    """Does a lane have messages other than spilled ones, which are deleted at the next start?"""
    first = lane_id << POSITION_BITS
    span = (first, first | POSITION_MASK)
    return bool(rows(db, "SELECT 1 FROM message WHERE id BETWEEN ? AND ? AND stored <> 2 LIMIT 1", span))


def _check_lane(
    db: apsw.Connection,
    lane_id: int,
    found: QueueReport,
    report: Report,
    advance: Callable[[int], None],
    fast: AllWhole | None,
) -> None:
    if fast is not None:
        fast.begin()
    after = lane_id << POSITION_BITS
    last = after | POSITION_MASK
    while True:
        seen = None if fast is None else fast.look(after, last, RUN)
        if seen is None:
            try:
                seen = look_through(db, after, last, RUN, RUN_BYTES)
            except apsw.Error:
                break
            if fast is not None:
                fast.seen(seen)
        for row, what in seen.unreadable.items():
            _note(db, found, row, what)
        found.messages += seen.whole
        if not seen.last:
            return
        advance(seen.whole)
        after = seen.last
    # The rest is read row by row.
    for number in past_damage(db, "message", "id, length(properties), length(body)", after + 1):
        if isinstance(number, Gap):
            if number.first <= last:
                place = f"between {number.first & POSITION_MASK:,} and {min(number.last, last) & POSITION_MASK:,}"
                what = f"places {place} of lane {lane_id} (queue {found.queue!r}) cannot be read: {number.why}"
                report.problems.append(Problem("queue", what))
            if number.last >= last:
                return
            continue
        if number[0] > last:
            return
        run = _one(db, number[0])
        for row, what in run.unreadable.items():
            _note(db, found, row, what)
        found.messages += len(run.rows)
        advance(1)


def _one(db: apsw.Connection, row: int) -> StoredRun:
    try:
        return select_run(db, "WHERE id = ?", (row,), RUN_BYTES, 0)
    except apsw.Error as error:
        run = StoredRun()
        run.unreadable[row] = str(error)
        return run


def _note(db: apsw.Connection, found: QueueReport, row: int, what: str) -> None:
    found.damaged += 1
    if len(found.ids) >= TOLD:
        return
    name = ""
    try:
        raw = db.execute(f"SELECT {octets('properties')} FROM message WHERE id = ?", (row,)).get
        name = str(Properties.decode(raw).message_id or "")
    except (apsw.Error, AttributeError, BatonError, IndexError, TypeError, ValueError):
        pass
    found.ids.append(name or f"{row >> POSITION_BITS}/{row & POSITION_MASK} ({what})")
