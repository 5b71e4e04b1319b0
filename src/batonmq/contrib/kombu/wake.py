"""Waking whoever waits for messages: a thread, a greenlet, or an event loop that watches a handle."""

from __future__ import annotations

import contextlib
import socket

__all__ = ["Wake"]


class Wake:
    """A pair of sockets. Any thread wakes; one waits."""

    __slots__ = ("_here", "_is_set", "_there")

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self._there.setblocking(False)
        self._is_set = False

    def fileno(self) -> int:
        """Readable when it was woken."""
        return self._here.fileno()

    def set(self) -> None:
        """Wake whoever waits. Never blocks."""
        if not self._is_set:
            self._is_set = True
            # Full: it is awake; closed: nobody waits.
            with contextlib.suppress(OSError):
                self._there.send(b"\0")

    def clear(self) -> None:
        """Call it before looking at what has come."""
        self._here.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self._here.recv(64)
        self._is_set = False

    def wait(self, timeout: float | None) -> bool:
        """Until it was woken; False: the time was over first."""
        self._here.settimeout(timeout)
        try:
            self._here.recv(64, socket.MSG_PEEK)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Wake nobody any more."""
        self._here.close()
        self._there.close()
