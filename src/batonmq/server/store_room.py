"""The limit of data that waits for the store, beyond which publishers wait."""

from __future__ import annotations

from typing import Protocol

from batonmq.server.interface import Store

__all__ = ["StoreRoom", "WaitsForRoom"]


class WaitsForRoom(Protocol):
    """A connection that is not read until the store has room."""

    def committed(self) -> None:
        """A commit has made room."""

    def broken(self, what: str) -> None:
        """That raised an unexpected error: log it, and close only this connection."""


class StoreRoom:
    """The room for data that is collected but not yet written, and the connections that wait for it."""

    def __init__(self, store: Store, limit: int) -> None:
        """`limit` is in bytes of messages."""
        self._store = store
        self._limit = limit
        self._waiting: list[WaitsForRoom] = []

    def change_limit(self, limit: int) -> None:
        """Change the limit."""
        self._limit = limit

    def is_full(self) -> bool:
        """Is the limit exceeded?"""
        return self._store.pending_bytes > self._limit

    def wait(self, connection: WaitsForRoom) -> None:
        """Call this connection's `committed` after the next commit."""
        self._waiting.append(connection)

    def look(self) -> None:
        """Read waiting connections again if there is room: messages may be settled without a commit."""
        if self._waiting and not self.is_full():
            self.committed()

    def committed(self) -> None:
        """A commit has returned, successful or not: waiting connections are read again."""
        waiting = self._waiting
        if waiting:
            self._waiting = []
            for connection in waiting:
                try:
                    connection.committed()
                except Exception:  # noqa: BLE001 (it logs)
                    connection.broken("reading on after a commit")
