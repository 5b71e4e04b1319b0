"""The brokers of this process, by the file that they have open: whoever connects to one file shares one broker."""

from __future__ import annotations

import os
import threading

from batonmq.clock import Clock
from batonmq.engines.embedded.capabilities import CAPABILITIES, IN_MEMORY
from batonmq.engines.embedded.core import Core
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.embedded.ownership import Ownership
from batonmq.store import MemoryStore, SqliteStore, Store

__all__ = ["open_file", "open_memory"]


class Entry:
    """A broker, and how many connections there are to it."""

    def __init__(self, key: str, store: Store, clock: Clock | None, ownership: Ownership | None) -> None:
        self.key = key
        self.core = Core(store, clock)
        self.ownership = ownership
        self.connections = 0

    def close(self) -> None:
        """Raises StoreError."""
        try:
            self.core.close()
        finally:
            if self.ownership is not None:
                self.ownership.release()


_entries: dict[str, Entry] = {}
_guard = threading.Lock()


def open_file(path: str, clock: Clock | None = None) -> EmbeddedEngine:
    """Connect to the queues in a file. Raises StoreError, StoreCorrupt."""
    key = os.path.realpath(path)
    with _guard:
        entry = _entries.get(key)
        if entry is None:
            ownership = Ownership(key)
            try:
                entry = _entries[key] = Entry(key, SqliteStore(key), clock, ownership)
            except BaseException:
                ownership.release()
                raise
        return _connect(entry)


def open_memory(name: str, clock: Clock | None = None) -> EmbeddedEngine:
    """Connect to queues in memory: those of that name in this process, or with "" to new ones of one's own."""
    with _guard:
        if not name:
            return _connect(Entry("", MemoryStore(), clock, None))
        key = f"memory:{name}"
        entry = _entries.get(key)
        if entry is None:
            entry = _entries[key] = Entry(key, MemoryStore(), clock, None)
        return _connect(entry)


def _connect(entry: Entry) -> EmbeddedEngine:
    entry.connections += 1

    def leave() -> None:
        with _guard:
            entry.connections -= 1
            if entry.connections:
                return
            if _entries.get(entry.key) is entry:
                del _entries[entry.key]
            entry.close()

    return EmbeddedEngine(entry.core, CAPABILITIES if entry.ownership is not None else IN_MEMORY, leave)
