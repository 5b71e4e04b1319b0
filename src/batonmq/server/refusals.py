"""Logs refused clients: each one, until an address has had its share; after that only their number."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping

from batonmq.clock import Clock

__all__ = ["Refusals"]

# Lines for one address in this many seconds.
MOST_LINES = 10
SECONDS = 10.0
# The most addresses remembered; beyond that the oldest is forgotten.
MOST_ADDRESSES = 1_000


class Refusals:
    """Counts refused clients by address."""

    def __init__(self, clock: Clock, logger: logging.Logger, what: str) -> None:
        """``what``: what was refused, in the plural, such as `log-ins`."""
        self._clock = clock
        self._logger = logger
        self._what = what
        # When it began, and how many, in the order of their beginning.
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def log(self, address: str, line: str, fields: Mapping[str, object] | None = None) -> None:
        """Log a refusal, unless the address has had its share; ``fields`` are the extra fields of the record."""
        self.look()
        began, count = self._counts.get(address, (self._clock.monotonic(), 0))
        self._counts[address] = (began, count + 1)
        if count < MOST_LINES:
            self._logger.warning("%s", line, extra=fields)
        if len(self._counts) > MOST_ADDRESSES:
            self._end()

    def look(self) -> None:
        """Called regularly: log the numbers that were held back, when it is time."""
        now = self._clock.monotonic()
        while self._counts and now - next(iter(self._counts.values()))[0] >= SECONDS:
            self._end()

    def _end(self) -> None:
        address, (_, count) = self._counts.popitem(last=False)
        if count > MOST_LINES:
            self._logger.warning("%s: %d more %s refused within %g s", address, count - MOST_LINES, self._what, SECONDS)
