"""Saves the readable part of a damaged file into a new one; the old file is not changed.

A copy of it is read through SQLite, with its log, skipping unreadable parts. If there are any, all pages are searched
one by one: a page that nothing refers to any more still has its rows. A damaged row is left out, and reported.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import apsw

from batonmq.errors import StoreCorrupt, StoreError
from batonmq.store.backup import sync_path
from batonmq.store.claim import Claim
from batonmq.store.delivery_journal import marks_of
from batonmq.store.leftovers import has_log
from batonmq.store.log_breaks import log_break
from batonmq.store.looking import look_into
from batonmq.store.pages import Pages, Values
from batonmq.store.records import POSITION_BITS
from batonmq.store.rescue import Rescue, Saved
from batonmq.store.salvage import MESSAGE_COLUMNS, MESSAGE_VALUES, Gap, Row, past_damage
from batonmq.store.schema import connect, octets, read_opening, rows
from batonmq.store.starting import DEFINITIONS

__all__ = ["Saved", "has_remains", "repair_file"]

LANE_COLUMNS = "id, vhost, queue, priority, handed, waiting, waiting_bytes, returned, checksum"


def repair_file(path: str, to: Path, advance: Callable[[int], None] = lambda _: None) -> Saved:
    """Save the readable part of a file into a new one. ``advance`` is called with how many more messages are saved.

    Raises StoreError if the file is in use, belongs to another program or has a newer format, or if the new one exists;
    and OSError.
    """
    if os.path.lexists(to) or has_log(str(to)):
        raise StoreError(f"{to} is there already")
    if not Path(path).is_file():
        raise StoreError(f"cannot read {path}: it is no file")
    claim = Claim(path)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as folder:
            made = _Repair(path, Path(folder), advance)
            saved = made.run()
            shutil.copymode(path, made.new)
            sync_path(made.new)
            try:
                os.link(made.new, to)
            except FileExistsError:
                raise StoreError(f"{to} is there already") from None
        sync_path(to.parent)
    except apsw.Error as error:
        raise StoreError(f"cannot repair {path}: {error}") from error
    finally:
        claim.release()
    return saved


class _Repair:
    def __init__(self, path: str, folder: Path, advance: Callable[[int], None]) -> None:
        self._path = path
        self._copy = folder / "copy.db"
        self.new = folder / "new.db"
        self._advance = advance
        self._notes: list[str] = []
        # Ranges of row numbers that SQLite could not read.
        self._gaps: list[tuple[int, int]] = []
        # Is there anything that cannot be read through SQLite?
        self._is_torn = False

    def run(self) -> Saved:
        self._take_copy()
        to = connect(str(self.new))
        try:
            to.execute("PRAGMA synchronous=OFF")
            rescue = Rescue(to, self._advance)
            if not self._is_torn:
                with to:
                    self._read_with_sqlite(to, rescue)
            if self._is_torn:
                with to, Pages(self._copy) as pages:
                    _read_pages(pages, rescue)
            with to:
                rescue.complete(self._gaps)
            to.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            to.close()
        rescue.saved.notes[:0] = self._notes
        return rescue.saved

    # ------------------------------------------------------------------ the copy

    def _take_copy(self) -> None:
        shutil.copyfile(self._path, self._copy)
        had_log = has_log(self._path)
        if had_log:
            shutil.copyfile(self._path + "-wal", f"{self._copy}-wal")
        try:
            db = apsw.Connection(str(self._copy))
            kept = ExitStack()
            try:
                look_into(db, self._path)
                if had_log and (broken := log_break(str(self._copy), kept)):
                    self._notes.append(str(broken))
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                db.close()
                kept.close()
        except apsw.Error as error:
            if not had_log and not has_remains(self._copy):
                raise StoreCorrupt(f"{self._path} is not a BatonMQ store: nothing of one is in it") from None
            self._is_torn = True
            self._notes.append(f"it cannot be opened ({error}); its pages were looked through one by one")

    # ------------------------------------------------------------------ as SQLite reads it

    def _read_with_sqlite(self, to: apsw.Connection, rescue: Rescue) -> None:
        db = apsw.Connection(str(self._copy))
        try:
            look_into(db, self._path)
            if any(what != "ok" for (what,) in rows(db, "PRAGMA integrity_check(1)")):
                # Pages that nothing refers to cause no errors.
                self._is_torn = True
            for row in self._table(db, "trash", "SELECT low, high, checksum FROM trash"):
                rescue.take_trash(*row)
            for row in self._table(db, "definition", DEFINITIONS):
                rescue.take_definition(row)
            marks = self._marks(db)
            for lane in past_damage(db, "lane", LANE_COLUMNS):
                if isinstance(lane, Gap):
                    self._tear(f"lanes of queues cannot be read: {lane.why}")
                else:
                    rescue.take_lane(lane, marks.get(lane[0], 0))
            for found in past_damage(db, "message", MESSAGE_VALUES):
                if isinstance(found, Gap):
                    self._tell_gap(found)
                else:
                    rescue.take_message(found, _body(db, found[9]) if found[9] else None)
            rescue.flush()
            self._copy_small(db, to)
        except apsw.Error as error:
            self._tear(f"it cannot be read: {error}")
        finally:
            db.close()

    def _tell_gap(self, gap: Gap) -> None:
        first, last = max(gap.first >> POSITION_BITS, 0), gap.last >> POSITION_BITS
        lanes = f"lane {first}" if first == last else f"lanes from {first} on"
        self._tear(f"messages of {lanes} cannot be read in order ({gap.why}); they were looked for page by page")
        self._gaps.append((gap.first, gap.last))

    def _tear(self, what: str) -> None:
        self._is_torn = True
        self._notes.append(what)

    def _table(self, db: apsw.Connection, name: str, sql: str) -> Iterator[Row]:
        """The rows of a small table, up to the first that cannot be read."""
        try:
            yield from db.execute(sql)
        except (apsw.Error, UnicodeDecodeError) as error:
            self._tear(f"the table {name} cannot be read to its end: {error}")

    def _marks(self, db: apsw.Connection) -> dict[int, int]:
        try:
            return dict(marks_of(self._path, read_opening(db)))
        except (apsw.Error, ValueError):
            return {}

    def _copy_small(self, db: apsw.Connection, to: apsw.Connection) -> None:
        """Copy the deduplication keys, and the outcomes of other processes' commands."""
        for row in past_damage(db, "seen", "id, key, at"):
            if not isinstance(row, Gap) and type(row[1]) is bytes and type(row[2]) is int:
                to.execute("INSERT OR IGNORE INTO seen VALUES(?,?,?)", row)
        for row in self._table(db, "done", "SELECT guest, number, outcome FROM done"):
            if all(type(value) is int for value in row):
                to.execute("INSERT OR IGNORE INTO done VALUES(?,?,?)", row)


def _body(db: apsw.Connection, number: object) -> object:
    try:
        return db.execute(f"SELECT {octets('body')} FROM body WHERE id = ?", (number,)).get
    except (apsw.Error, TypeError):
        return None


def has_remains(path: Path) -> bool:
    """Is there a row of a store in any page of a file? Raises OSError."""
    with Pages(path) as pages:
        return any(_table_of(values) in ("definition", "lane", "message") for _, values in pages.rows())


def _table_of(values: Values) -> str:
    """The table that a row with these values is of; "": none of a store."""
    match values:
        case [str(), _, _, str(), bytes(), *rest] if len(rest) <= 1:
            return "definition"
        case [None, str() | bytes(), str() | bytes(), int(), int(), _, _, *rest] if len(rest) <= 3:
            return "lane"
        case [None, str() | bytes()]:
            return "body"
        case [None, str() | bytes(), str() | bytes(), str() | bytes(), *_] if 12 <= len(values) <= len(MESSAGE_COLUMNS):
            return "message"
    return ""


def _read_pages(pages: Pages, rescue: Rescue) -> None:
    """Take all rows of pages that are not free, if they were not found yet."""
    bodies: dict[int, bytes] = {}
    sharing: list[Row] = []
    for number, values in pages.rows():
        match _table_of(values):
            case "definition":
                rescue.take_definition((*values, *[None] * (6 - len(values))))
            case "lane":
                rescue.take_lane((number, *values[1:], *(0, None)[len(values) - 7 :])[:9])
            case "body":
                body = values[1]
                assert isinstance(body, str | bytes)
                bodies[number] = body.encode() if isinstance(body, str) else body
            case "message":
                row = _message_of(number, values)
                if row[9]:
                    sharing.append(row)
                elif not rescue.has_message(number):
                    rescue.take_message(row)
    rescue.flush()
    for row in sharing:
        if not rescue.has_message(row[0]):
            rescue.take_message(row, bodies.get(row[9]))
    rescue.flush()


def _message_of(number: int, values: Values) -> Row:
    """A row in this format, from one that an earlier format has written, which may lack the last columns."""
    # dead, framing, start, size and the checksum were added one after another.
    missing = (0, 0, 0, 0, None)[len(values) - len(MESSAGE_COLUMNS) :] if len(values) < len(MESSAGE_COLUMNS) else ()
    return (number, *values[1:], *missing)
