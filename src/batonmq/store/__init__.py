"""The stores. ``SqliteStore`` keeps messages in a file, where they survive a crash; ``MemoryStore`` keeps nothing."""

from __future__ import annotations

from batonmq.store.claim import Claimed
from batonmq.store.interface import Store
from batonmq.store.memory import MemoryStore
from batonmq.store.records import Definition, LaneRecord, Snapshot
from batonmq.store.sqlite import SqliteStore

__all__ = ["Claimed", "Definition", "LaneRecord", "MemoryStore", "Snapshot", "SqliteStore", "Store"]
