"""A limit of failed log-ins per address, against guessing passwords."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from batonmq.clock import Clock

__all__ = ["FailedLogIns"]

SECONDS: Final = 60.0

# The most addresses remembered; beyond that the one without failures for longest is forgotten.
ADDRESSES_MAX: Final = 10_000


class FailedLogIns:
    """Failed log-ins by address; in IPv6 by a customer's network (`fair_line.network`).

    Each address has an allowance, which refills evenly over a minute. Refusals without a check do not count, so an
    address is let in again even while somebody there keeps trying.
    """

    __slots__ = ("_clock", "_left", "_most")

    def __init__(self, clock: Clock, most: int) -> None:
        """``most``: the allowance per minute; 0: no limit."""
        self._clock = clock
        self._most = most
        # The allowance left and when, the latest failure last. Other addresses have all of theirs.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def is_blocked(self, address: str) -> bool:
        """Have too many failed from there?"""
        return address in self._left and self._now(address) < 1

    def failed(self, address: str) -> bool:
        """Count a failure. True: it used up the allowance."""
        if not self._most:
            return False
        left = self._now(address)
        self._left[address] = (left - 1, self._clock.monotonic())
        self._left.move_to_end(address)
        if len(self._left) > ADDRESSES_MAX:
            self._left.popitem(last=False)
        return left - 1 < 1 <= left

    def look(self) -> None:
        """Called regularly: forget addresses with a full allowance."""
        while self._left and self._now(next(iter(self._left))) >= self._most:
            self._left.popitem(last=False)

    def _now(self, address: str) -> float:
        left, at = self._left.get(address, (float(self._most), 0.0))
        return min(float(self._most), left + (self._clock.monotonic() - at) * self._most / SECONDS)
