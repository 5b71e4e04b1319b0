"""How much may wait for the store before publishers do."""

from __future__ import annotations

from typing import Protocol

from batonmq.server.interface import Store

__all__ = ["StoreRoom", "WaitsForRoom"]


class WaitsForRoom(Protocol):
    """A connection that is not read until the store has taken what it has."""

    def committed(self) -> None:
        """A commit has made room."""

    def broken(self, what: str) -> None:
        """A fault of ours struck in that: log it, and close this connection and no other."""


class StoreRoom:
    """The room for what has been collected and not been written, and who waits for it."""

    def __init__(self, store: Store, limit: int) -> None:
        """`limit` is in bytes of messages."""
        self._store = store
        self._limit = limit
        self._waiting: list[WaitsForRoom] = []

    def change_limit(self, limit: int) -> None:
        """Allow another number of bytes from now on."""
        self._limit = limit

    def is_full(self) -> bool:
        """Does more wait for the store than may?"""
        return self._store.pending_bytes > self._limit

    def wait(self, connection: WaitsForRoom) -> None:
        """Call this connection's `committed` after the next commit."""
        self._waiting.append(connection)

    def committed(self) -> None:
        """A commit has returned, successful or not: whoever waited for it reads on."""
        waiting = self._waiting
        if waiting:
            self._waiting = []
            for connection in waiting:
                try:
                    connection.committed()
                except Exception:  # noqa: BLE001 (it logs)
                    connection.broken("reading on after a commit")
