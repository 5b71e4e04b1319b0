"""Values by key in an SQLite file that any number of processes write to. Each value may have an expiry time."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = ["Results"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS results (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_expiry ON results (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS chords (
    id TEXT PRIMARY KEY, size INTEGER, added INTEGER NOT NULL DEFAULT 0, ready INTEGER NOT NULL DEFAULT 0,
    shape BLOB, done INTEGER NOT NULL DEFAULT FALSE, expires REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS chords_by_expiry ON chords (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS parts (
    number INTEGER PRIMARY KEY, chord TEXT NOT NULL REFERENCES chords ON DELETE CASCADE, task TEXT NOT NULL,
    place INTEGER NOT NULL, state TEXT NOT NULL, value BLOB NOT NULL, last INTEGER NOT NULL DEFAULT FALSE,
    UNIQUE (chord, task, place)
);
"""
# How long a writer waits for others, in seconds.
BUSY_SECONDS = 60.0
# How many expired values each write drops: more than it adds.
SWEEP = 4
# SQLite's limit of parameters is higher everywhere.
KEYS_MAX = 500
# How often to look for what others wrote, in seconds: at first, and after a while.
FIRST_LOOK, LAST_LOOK = 0.001, 0.02

# Connections of the process that this one was forked from. Closing one would interfere with its locks
# (sqlite.org/howtocorrupt.html, section 2.7), so they are kept.
_inherited: list[sqlite3.Connection] = []


class Results:
    """One connection for all threads: SQLite has one writer at a time, anyway. Raises sqlite3.Error."""

    def __init__(self, path: str) -> None:
        """The file is opened on first use."""
        self.path = path
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        # SQLite does not count this connection's own writes as changes.
        self._writes = 0

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._connection is None:
                self._connection = _open(self.path)
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on the disk when the block ends. Across all processes only one is open at a time."""
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            self._writes += 1

    def set(self, key: bytes, value: bytes, seconds: float | None) -> None:
        """Keep a value for so many seconds; None: for good."""
        now = time.time()
        with self.writing() as connection:
            connection.execute(
                "INSERT INTO results VALUES (?, ?, ?) ON CONFLICT (key)"
                " DO UPDATE SET value = excluded.value, expires = excluded.expires",
                (key, value, now + seconds if seconds else None),
            )
            connection.execute(
                "DELETE FROM results WHERE key IN (SELECT key FROM results WHERE expires <= ? LIMIT ?)", (now, SWEEP)
            )

    def get(self, key: bytes) -> bytes | None:
        """The value; None: there is none, or it has expired."""
        return self.get_all([key])[0]

    def get_all(self, keys: Iterable[bytes]) -> list[bytes | None]:
        """The value of each key."""
        keys = list(keys)
        found: dict[bytes, bytes] = {}
        with self._opened() as connection:
            for start in range(0, len(keys), KEYS_MAX):
                some = keys[start : start + KEYS_MAX]
                marks = ", ".join("?" * len(some))
                query = f"SELECT key, value FROM results WHERE key IN ({marks}) AND (expires IS NULL OR expires > ?)"  # noqa: S608
                found.update(connection.execute(query, (*some, time.time())))
        return [found.get(key) for key in keys]

    def expire(self, key: bytes, seconds: float | None) -> None:
        """Forget a value after so many seconds from now on; None: never."""
        with self.writing() as connection:
            until = time.time() + seconds if seconds else None
            connection.execute("UPDATE results SET expires = ? WHERE key = ?", (until, key))

    def delete(self, key: bytes) -> None:
        """Forget a value."""
        with self.writing() as connection:
            connection.execute("DELETE FROM results WHERE key = ?", (key,))

    def sweep(self) -> int:
        """Drop all expired values; returns how many there were."""
        with self.writing() as connection:
            return connection.execute("DELETE FROM results WHERE expires <= ?", (time.time(),)).rowcount

    # ------------------------------------------------------------------ waiting

    def version(self) -> tuple[int, int]:
        """A version of the contents: it differs after any process has written."""
        with self._opened() as connection:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            return version, self._writes

    def wait(self, version: tuple[int, int], seconds: float) -> None:
        """Return when anybody has written since that version, or when the time is up.

        It polls a number in memory that the processes share (20 us), at most every 20 ms.
        """
        end = time.monotonic() + seconds
        pause = FIRST_LOOK
        while self.version() == version and (left := end - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(LAST_LOOK, pause * 1.5)

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def forked(self) -> None:
        """Start over in a forked child, which opens the file anew."""
        if self._connection is not None:
            _inherited.append(self._connection)
        self._reset()


_all: weakref.WeakSet[Results] = weakref.WeakSet()


def _forked() -> None:
    for results in list(_all):
        results.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _open(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        # A result is reported once, so it has to survive a loss of power.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection
