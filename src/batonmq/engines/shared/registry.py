"""The brokers of this process, by file: all connections to one file share one broker."""

from __future__ import annotations

import os
import socket
import threading

from batonmq.clock import Clock
from batonmq.engines.embedded.capabilities import CAPABILITIES, IN_MEMORY
from batonmq.engines.embedded.core import Core
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.embedded.ownership import STARTING, Ending, Inherited, InUse, Ownership, check_free
from batonmq.engines.forks import when_forked
from batonmq.engines.shared.host import Host
from batonmq.engines.shared.socket_path import note_of_living
from batonmq.store import Claimed, MemoryStore, SqliteStore, Store

__all__ = ["open_memory", "own_file", "own_file_as_guest"]


class Entry:
    """A broker, and the number of connections to it."""

    def __init__(self, key: str, store: Store, clock: Clock | None, ownership: Ownership | None) -> None:
        self.key = key
        self.core = Core(store, clock, serves=ownership is None)
        self.ownership = ownership
        self.host: Host | None = None
        self._connections = 0
        self.is_inherited = False
        """Is it the parent's, in a forked child?"""
        if ownership is not None:
            try:
                self.host = Host(self.core, key)
            except BaseException:
                self.core.close()
                raise
            ownership.say(self.host.note)

    def join(self) -> None:
        """Count one more connection."""
        self._connections += 1

    def leave(self) -> bool:
        """Count one connection less; True: it was the last one, so this has to be closed."""
        self._connections -= 1
        return not self._connections and not self.is_inherited

    def inherit(self) -> None:
        """Note that this process was forked from its owner."""
        self.is_inherited = True

    def wait(self) -> None:
        """Return when the broker serves."""
        if self.host is not None:
            self.host.claims.wait()

    def close(self) -> None:
        """Raises StoreError."""
        try:
            if self.host is not None:
                self.host.close()
            self.core.close()
        finally:
            if self.ownership is not None:
                self.ownership.release()


class Registry:
    """The entries, and the lock that guards them."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.guard = threading.Lock()
        # A child keeps its parent's entries as they are: dropping a store would close it. The child cannot open the
        # file again: SQLite would take the parent's locks for its own (sqlite.org/howtocorrupt.html, section 2.7).
        self.inherited: dict[str, Entry] = {}
        when_forked(self)

    def forked(self) -> None:
        """Start over in a forked child, which has nothing open itself."""
        self.guard = threading.Lock()
        for entry in self.entries.values():
            entry.inherit()
            self.inherited[entry.key] = entry
        self.entries = {}


_registry = Registry()


def own_file(path: str, clock: Clock | None = None) -> EmbeddedEngine:
    """Connect to the queues in a file that no other process owns. Raises InUse, StoreError, StoreCorrupt."""
    with _registry.guard:
        entry = _entry_of_file(path, clock)
        engine = _connect(entry)
    # Without the guard: the broker may be waiting for another connection of this process.
    entry.wait()
    return engine


def own_file_as_guest(path: str) -> tuple[EmbeddedEngine, socket.socket]:
    """The engine that owns the file, with a socket to it like other processes'. Raises as ``own_file`` does."""
    with _registry.guard:
        entry = _entry_of_file(path, None)
        assert entry.host is not None
        here, there = socket.socketpair()
        entry.host.adopt(there)
        return _connect(entry), here


def _entry_of_file(path: str, clock: Clock | None) -> Entry:
    key = os.path.realpath(path)
    entry = _registry.entries.get(key)
    if entry is None:
        if key in _registry.inherited:
            check_free(key)
            raise Inherited(
                f"{key} was open when this process was forked, so that it cannot take it, and no other process has it",
                STARTING,
            )
        ownership = Ownership(key, STARTING)
        try:
            if note := note_of_living(key):
                # Somebody deleted the lock file of an owner that is still alive.
                ownership.say(note)
                raise InUse(f"{key} is in use by another process, whose lock file was deleted", note)
            store = SqliteStore(key, serves=False)
            entry = _registry.entries[key] = Entry(key, store, clock, ownership)
        except Claimed as error:
            ownership.release()
            raise Ending(str(error)) from error
        except InUse:
            ownership.release()
            raise
        except BaseException:
            ownership.withdraw()
            raise
    return entry


def open_memory(name: str, clock: Clock | None = None) -> EmbeddedEngine:
    """Connect to queues in memory: those of that name in this process; "": new ones, not shared."""
    with _registry.guard:
        if not name:
            return _connect(Entry("", MemoryStore(), clock, None))
        key = f"memory:{name}"
        entry = _registry.entries.get(key)
        if entry is None:
            entry = _registry.entries[key] = Entry(key, MemoryStore(), clock, None)
        return _connect(entry)


def _connect(entry: Entry) -> EmbeddedEngine:
    entry.join()

    def leave() -> None:
        with _registry.guard:
            if not entry.leave():
                return
            if _registry.entries.get(entry.key) is entry:
                del _registry.entries[entry.key]
            entry.close()

    return EmbeddedEngine(entry.core, CAPABILITIES if entry.ownership is not None else IN_MEMORY, leave)
