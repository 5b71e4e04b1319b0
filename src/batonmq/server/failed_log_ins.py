"""How many log-ins may fail from one address: one that tries password after password is no longer heard."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from batonmq.clock import Clock

__all__ = ["FailedLogIns"]

SECONDS: Final = 60.0

# Of more addresses at a time the one is forgotten from which nothing has failed for longest.
ADDRESSES_MAX: Final = 10_000


class FailedLogIns:
    """Failed log-ins by address; of IPv6 that is the network of one customer (`fair_line.network`).

    An address may spend that many; they come back evenly over a minute. A refusal without a look costs nothing more, so
    an address is let in again even while somebody there goes on trying.
    """

    __slots__ = ("_clock", "_left", "_most")

    def __init__(self, clock: Clock, most: int) -> None:
        """``most`` may fail in a minute; 0: there is no limit."""
        self._clock = clock
        self._most = most
        # What was left when, the one that failed last at the end. An address that is not here has all.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def is_blocked(self, address: str) -> bool:
        """Have too many failed from there?"""
        return address in self._left and self._now(address) < 1

    def failed(self, address: str) -> bool:
        """One has failed. True: it was the last that may."""
        if not self._most:
            return False
        left = self._now(address)
        self._left[address] = (left - 1, self._clock.monotonic())
        self._left.move_to_end(address)
        if len(self._left) > ADDRESSES_MAX:
            self._left.popitem(last=False)
        return left - 1 < 1 <= left

    def look(self) -> None:
        """Called now and then: forget those that have all again."""
        while self._left and self._now(next(iter(self._left))) >= self._most:
            self._left.popitem(last=False)

    def _now(self, address: str) -> float:
        left, at = self._left.get(address, (float(self._most), 0.0))
        return min(float(self._most), left + (self._clock.monotonic() - at) * self._most / SECONDS)
