"""The progress of a long command, on a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

__all__ = ["Progress"]

# Seconds. A command that ends before this shows nothing.
QUIET_SECONDS = 1.0
REFRESH_SECONDS = 0.2


class Progress:
    """Counts messages. On a terminal it shows their number and rate, on stderr."""

    def __init__(self, done: str, total: int | None = None) -> None:
        """`done`: what has happened to the messages, such as "sent"."""
        self.count = 0
        self._done = done
        self._total = total
        self._started = time.monotonic()
        self._next = self._started + QUIET_SECONDS
        self._is_shown = False
        self._is_terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_shown:
            self._show(time.monotonic())
            sys.stderr.write("\n")

    def advance(self, count: int = 1) -> None:
        """Add to the count."""
        self.count += count
        if self._is_terminal:
            now = time.monotonic()
            if now >= self._next:
                self._next = now + REFRESH_SECONDS
                self._show(now)

    def _show(self, now: float) -> None:
        self._is_shown = True
        rate = self.count / max(now - self._started, 0.001)
        of = f" of {self._total:,}" if self._total else ""
        sys.stderr.write(f"\r{self.count:,}{of} {self._done}, {rate:,.0f}/s\x1b[K")
        sys.stderr.flush()
