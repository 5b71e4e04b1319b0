"""How much the open transactions of one connection may hold."""

from __future__ import annotations

from typing import Final

# Messages, however small: each takes some hundred bytes beside its body.
ENTRIES_MAX: Final = 200_000


class Quota:
    """How many messages, and octets of their bodies, all transactions of a connection may hold together."""

    __slots__ = ("_entries", "_used", "entries_max", "limit")

    def __init__(self, limit: int, entries_max: int = ENTRIES_MAX) -> None:
        self.limit = limit
        self.entries_max = entries_max
        self._used = 0
        self._entries = 0

    def take(self, octets: int, entries: int = 0) -> bool:
        """Take octets and entries; False: not enough are left, and none were taken."""
        if self._used + octets > self.limit or not self.has_room_for(entries):
            return False
        self._used += octets
        self._entries += entries
        return True

    def has_room_for(self, entries: int) -> bool:
        """Is there room for that many more messages?"""
        return self._entries + entries <= self.entries_max

    def give_back(self, octets: int, entries: int = 0) -> None:
        """Give back octets and entries."""
        self._used -= octets
        self._entries -= entries
