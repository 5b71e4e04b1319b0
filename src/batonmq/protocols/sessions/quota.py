"""How much the open transactions of one connection may hold."""

from __future__ import annotations


class Quota:
    """Octets of message bodies, for all transactions of a connection together."""

    __slots__ = ("_used", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0

    def take(self, octets: int) -> bool:
        """Use so much; False: there is not as much left, and nothing was used."""
        if self._used + octets > self.limit:
            return False
        self._used += octets
        return True

    def give_back(self, octets: int) -> None:
        """So much is not used any more."""
        self._used -= octets
