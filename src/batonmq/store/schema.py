"""The file: its tables, and how it is opened.

definition    durable exchanges, queues, bindings and policies; virtual hosts, with their metadata; parameters
lane          a queue's lanes: one, or one for each priority, with the marks up to which messages were handed out, and
              up to which a crash brought them back; ``counted`` is the checksum of the counts of an orderly end
message       a row for each message in each queue. Its number is the lane in 18 bits and the place in 45: the messages
              of a queue lie together, in order. With a framing, its body is a message in a protocol's own form, and the
              part that this protocol calls the body begins at ``start`` and has ``size`` bytes
body          large bodies that several queues share
seen          keys of accepted messages, for de-duplication
trash         ranges of rows that still have to be deleted, so that a purge of millions does not block others
done          outcomes of other processes' commands, until they know them
probe         numbers about the file: the openings, whether it was closed in order, and one that is written when the
              disk has failed, to see whether it takes writes again

Rows of the first three, and of trash, have a checksum (``store/checksums.py``).
"""

from __future__ import annotations

import logging
import os
from typing import Any

import apsw

from batonmq.errors import StoreCorrupt, StoreError
from batonmq.points import reached
from batonmq.store.failures import DAMAGE, damaged
from batonmq.store.leftovers import has_log

log = logging.getLogger("batonmq.store")

APPLICATION_ID = 0x4241544E  # "BATN"
VERSION = 7

TABLES = """
CREATE TABLE definition(
    kind TEXT, vhost TEXT, name TEXT, value TEXT NOT NULL, arguments BLOB NOT NULL, checksum INTEGER,
    PRIMARY KEY(kind, vhost, name)) WITHOUT ROWID;
CREATE TABLE lane(
    id INTEGER PRIMARY KEY, vhost TEXT NOT NULL, queue TEXT NOT NULL, priority INTEGER NOT NULL,
    handed INTEGER NOT NULL DEFAULT 0, waiting INTEGER, waiting_bytes INTEGER, returned INTEGER NOT NULL DEFAULT 0,
    checksum INTEGER, counted INTEGER);
CREATE TABLE message(
    id INTEGER PRIMARY KEY, exchange TEXT NOT NULL, routing_key TEXT NOT NULL, properties BLOB NOT NULL, body BLOB,
    expires INTEGER NOT NULL DEFAULT 0, deliveries INTEGER NOT NULL DEFAULT 0, returned INTEGER NOT NULL DEFAULT 0,
    stored INTEGER NOT NULL DEFAULT 1, shared INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL DEFAULT 0, place INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,
    framing INTEGER NOT NULL DEFAULT 0, start INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL DEFAULT 0,
    checksum INTEGER);
CREATE INDEX message_expires ON message(id >> 45, expires) WHERE expires > 0;
CREATE INDEX message_spilled ON message(id) WHERE stored = 2;
CREATE INDEX message_shared ON message(shared) WHERE shared > 0;
CREATE INDEX message_due ON message(id >> 45, due) WHERE due > 0;
CREATE INDEX message_place ON message(place) WHERE place > 0;
CREATE TABLE seen(id INTEGER PRIMARY KEY, key BLOB NOT NULL, at INTEGER NOT NULL);
CREATE TABLE body(id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE trash(low INTEGER PRIMARY KEY, high INTEGER NOT NULL, checksum INTEGER);
CREATE TABLE done(
    guest INTEGER NOT NULL, number INTEGER NOT NULL, outcome INTEGER NOT NULL,
    PRIMARY KEY(guest, number)) WITHOUT ROWID;
CREATE TABLE probe(id INTEGER PRIMARY KEY, writes INTEGER NOT NULL);
INSERT INTO probe VALUES(1, 0);
"""

# The statements that bring a file of an earlier version to the next. Before version 2 any header counted as the record
# of deaths. Version 6 has definitions that an earlier broker would ignore, such as operator policies and virtual hosts
# that are being deleted. Rows from before version 7 have no checksums, and get none.
UPGRADES = {
    1: """
ALTER TABLE message ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;
UPDATE message SET dead = 1 WHERE instr(properties, CAST('x-last-death-queue' AS BLOB)) > 0;
""",
    2: """
CREATE TABLE IF NOT EXISTS done(
    guest INTEGER NOT NULL, number INTEGER NOT NULL, outcome INTEGER NOT NULL,
    PRIMARY KEY(guest, number)) WITHOUT ROWID;
""",
    3: "ALTER TABLE lane ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;",
    4: """
ALTER TABLE message ADD COLUMN framing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN start INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
""",
    5: "",
    6: """
ALTER TABLE definition ADD COLUMN checksum INTEGER;
ALTER TABLE lane ADD COLUMN checksum INTEGER;
ALTER TABLE lane ADD COLUMN counted INTEGER;
ALTER TABLE message ADD COLUMN checksum INTEGER;
ALTER TABLE trash ADD COLUMN checksum INTEGER;
""",
}


ADD_TRASH = "INSERT OR REPLACE INTO trash(low, high, checksum) VALUES(?,?,?)"


def rows(db: apsw.Connection, sql: str, values: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
    """A query's rows, typed by the caller. Raises apsw.Error; apsw.CorruptError also for text that is not UTF-8."""
    try:
        return db.execute(sql, values).fetchall()
    except UnicodeDecodeError as error:
        raise apsw.CorruptError(f"a text in it is not UTF-8: {error}") from error


def octets(column: str) -> str:
    """To select a value, and the octets of one that is a text: in a damaged file it may not be UTF-8."""
    return f"CASE typeof({column}) WHEN 'text' THEN CAST({column} AS BLOB) ELSE {column} END"


def read_opening(db: apsw.Connection) -> int:
    """The number of the last opening of this store; 0: there was none."""
    return int(db.execute("SELECT writes FROM probe WHERE id = 2").get or 0)


def note_opening(db: apsw.Connection, number: int) -> None:
    """Mark the store as open under this number, with a log that belongs to it.

    The mark is the version of the schema, which changes in a copy made by SQLite: such a copy is whole without a log.
    """
    db.execute("INSERT OR REPLACE INTO probe VALUES(2, ?)", (number,))
    db.execute("INSERT OR REPLACE INTO probe VALUES(4, ?)", (db.pragma("schema_version"),))


def note_closing(db: apsw.Connection) -> None:
    """Mark the file as closed: it holds everything once its log has been copied."""
    db.execute("DELETE FROM probe WHERE id = 4")


def is_marked_open(db: apsw.Connection) -> bool:
    """Was it not closed properly after the last opening?"""
    return bool(db.execute("SELECT writes FROM probe WHERE id = 4").get == db.pragma("schema_version"))


def read_served(db: apsw.Connection) -> int:
    """The number of the last opening that served queues; 0: there was none."""
    return int(db.execute("SELECT writes FROM probe WHERE id = 3").get or 0)


def connect(path: str) -> apsw.Connection:
    """Open or create a store's file. Raises StoreError, StoreCorrupt."""
    had_log = has_log(path)
    try:
        connection = apsw.Connection(path)
    except apsw.Error as error:
        raise StoreError(f"cannot open {path}: {error}") from error
    except UnicodeEncodeError as error:
        raise StoreError(f"cannot open {path}: the path is not UTF-8, as SQLite needs it") from error
    try:
        _prepare(connection, path)
    except BaseException:
        if had_log:
            # A file that cannot be used must not be changed.
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.close()
        raise
    return connection


def connect_reader(path: str) -> apsw.Connection:
    """A second connection that only reads, and sees what is committed. Raises apsw.Error.

    Only one thread at a time may use it: without SQLite's own locks a row takes a tenth less time.
    """
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOMUTEX)
    connection.set_busy_timeout(5000)
    connection.execute("PRAGMA query_only=1")
    # It reads each page once, in order.
    connection.execute("PRAGMA cache_size=-2048")
    return connection


def _prepare(connection: apsw.Connection, path: str) -> None:
    try:
        connection.set_busy_timeout(5000)
        application = connection.pragma("application_id")
        version = connection.pragma("user_version")
        if application == 0 and version == 0 and not connection.execute("SELECT 1 FROM sqlite_schema").get:
            # 8 KiB pages hold seven messages of 1 KiB. On an existing file the second of these would change it.
            if os.stat(path).st_size > 0:  # noqa: PTH116
                log.error("%s holds nothing: if it was a store, all that it held is lost", path)
            reached("create.begun")
            connection.execute("PRAGMA page_size=8192")
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            # Before it has a log, so that a file is never there without its tables.
            with connection:
                connection.execute(TABLES)
                connection.pragma("application_id", APPLICATION_ID)
                connection.pragma("user_version", VERSION)
            version = VERSION
            reached("create.done")
        elif application != APPLICATION_ID:
            raise StoreCorrupt(f"{path} is not a BatonMQ store")
        elif not isinstance(version, int) or version > VERSION:
            raise StoreCorrupt(f"{path} was written by a newer BatonMQ (format {version}, this one knows {VERSION})")
        if connection.pragma("journal_mode", "wal") != "wal":
            raise StoreError(f"{path} cannot be used: its file system does not offer write-ahead logging")
        # FULL: the write-ahead log is synced at every commit, which is what a confirm promises.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA cache_size=-32768")
        connection.execute("PRAGMA temp_store=MEMORY")
        if version < VERSION:
            reached("upgrade.begun")
            with connection:
                for known in range(version, VERSION):
                    connection.execute(UPGRADES[known])
                    reached("upgrade.step")
                connection.pragma("user_version", VERSION)
            reached("upgrade.done")
    except DAMAGE as error:
        raise damaged(path, error) from error
    except apsw.Error as error:
        raise StoreError(f"cannot use {path}: {error}") from error
