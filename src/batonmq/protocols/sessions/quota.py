"""The quota of the open transactions of one connection."""

from __future__ import annotations


class Quota:
    """How many octets of message bodies all transactions of a connection may hold together."""

    __slots__ = ("_used", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0

    def take(self, octets: int) -> bool:
        """Use so many octets; False: there are not as many left, and none were used."""
        if self._used + octets > self.limit:
            return False
        self._used += octets
        return True

    def give_back(self, octets: int) -> None:
        """Free so many octets."""
        self._used -= octets
