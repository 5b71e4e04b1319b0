"""What the clients of a soak may do just now: a tide of backlog that comes and goes, with a calm after each.

In a calm nobody publishes, nothing waits, and those who come and go are away: what is there then is there to stay, and
is the same after each tide if nothing leaks.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

__all__ = ["PAUSE", "Gate", "Stage"]

PAUSE = 0.1
"""Seconds after which a client looks again whether the soak is over."""


class Gate:
    """Who has passed is known, so that whoever closes it can wait until all have done what they came for."""

    def __init__(self, over: threading.Event) -> None:
        self._over = over
        self._changed = threading.Condition()
        self._open = False
        self._inside = 0

    @contextlib.contextmanager
    def passed(self) -> Iterator[bool]:
        """Wait until it is open, and be inside for the block; False: the soak is over."""
        with self._changed:
            while not self._open and not self._over.is_set():
                self._changed.wait(PAUSE)
            goes = not self._over.is_set()
            self._inside += goes
        try:
            yield goes
        finally:
            with self._changed:
                self._inside -= goes
                self._changed.notify_all()

    def open(self) -> None:
        """Let everybody pass."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def close(self, within: float) -> bool:
        """Let nobody pass any more; whether all are outside within so many seconds."""
        with self._changed:
            self._open = False
            return self._changed.wait_for(lambda: not self._inside, within)


class Stage:
    """Every method may be called from any thread."""

    def __init__(self) -> None:
        self.over = threading.Event()
        """Set when all is to end."""
        self.publishing = Gate(self.over)
        """What a producer passes with each batch."""
        self.coming = Gate(self.over)
        """What those who come and go pass with each round."""
        self.consuming = threading.Event()
        """Set while consumers take messages: in between a backlog grows."""
        self.faults: list[str] = []
        """What a broker must not do to an innocent client."""

    def fault(self, text: str) -> None:
        """Note what ought not to have happened."""
        self.faults.append(text)

    def may_consume(self) -> bool:
        """Wait until consumers may take; False: the soak is over."""
        while not self.over.is_set():
            if self.consuming.wait(PAUSE):
                return not self.over.is_set()
        return False
