"""Reads a file from outside, even if a process has it open: nothing is written, locked or repaired."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import apsw

from batonmq.errors import StoreCorrupt, StoreError
from batonmq.store.leftovers import has_log
from batonmq.store.schema import APPLICATION_ID, VERSION, rows
from batonmq.store.texts import from_file

__all__ = ["look_into", "open_to_look", "read_vhosts"]

# The columns of each table in order, with the values that stand in for those that earlier formats lack.
COLUMNS = {
    "definition": {"kind": "", "vhost": "", "name": "", "value": "", "arguments": "", "checksum": "NULL"},
    "lane": {
        **dict.fromkeys(("id", "vhost", "queue", "priority", "handed", "waiting", "waiting_bytes"), ""),
        "returned": "0",
        "checksum": "NULL",
        "counted": "NULL",
    },
    "message": {
        **dict.fromkeys(("id", "exchange", "routing_key", "properties", "body", "expires", "deliveries"), ""),
        **dict.fromkeys(("returned", "stored", "shared", "due", "place"), ""),
        **dict.fromkeys(("dead", "framing", "start", "size"), "0"),
        "checksum": "NULL",
    },
    "trash": {"low": "", "high": "", "checksum": "NULL"},
    "done": {"guest": "0", "number": "0", "outcome": "0"},
}


def open_to_look(path: str) -> apsw.Connection:
    """A connection that only reads. Raises apsw.Error."""
    # Without a log the file is not open anywhere, and SQLite must not create one.
    how = "mode=ro" if has_log(path) else "mode=ro&immutable=1"
    uri = f"file:{quote(str(Path(path).absolute()))}?{how}"
    db = apsw.Connection(uri, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    db.set_busy_timeout(5000)
    return db


def look_into(db: apsw.Connection, path: str) -> int:
    """Show a file of an earlier format in this one; returns its format. Raises apsw.Error, StoreCorrupt."""
    application, version = db.pragma("application_id"), db.pragma("user_version")
    if application != APPLICATION_ID or not isinstance(version, int) or version < 1:
        raise StoreCorrupt(f"{path} is not a BatonMQ store")
    if version > VERSION:
        raise StoreCorrupt(f"{path} was written by a newer BatonMQ (format {version}, this one knows {VERSION})")
    if version < VERSION:
        db.execute("PRAGMA temp_store=MEMORY")
        for table, columns in COLUMNS.items():
            there = {name for (name,) in db.execute("SELECT name FROM pragma_table_info(?, 'main')", (table,))}
            if there == columns.keys():
                continue
            seen = ", ".join(name if name in there else f"{instead} AS {name}" for name, instead in columns.items())
            source = f"FROM main.{table}" if there else "WHERE 0"
            # SQLite looks up names among temporary objects first.
            db.execute(f"CREATE TEMP VIEW {table} AS SELECT {seen} {source}")
    return version


def read_vhosts(path: str) -> set[str]:
    """The names of the virtual hosts in the file; empty if there is no file. Raises StoreError."""
    if not Path(path).exists():
        return set()
    try:
        db = open_to_look(path)
        try:
            look_into(db, path)
            return {from_file(name) for (name,) in rows(db, "SELECT DISTINCT vhost FROM definition WHERE vhost <> ''")}
        finally:
            db.close()
    except apsw.Error as error:
        raise StoreError(f"cannot read {path}: {error}") from error
