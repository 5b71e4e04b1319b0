"""Wakes whoever waits for messages: a thread, a greenlet, or an event loop that watches a handle."""

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
        """A file descriptor, readable when there was a wake-up."""
        return self._here.fileno()

    def set(self) -> None:
        """Wake the waiter. Never blocks."""
        if not self._is_set:
            self._is_set = True
            # The buffer is full: a wake-up is pending. The socket is closed: nobody waits.
            with contextlib.suppress(OSError):
                self._there.send(b"\0")

    def clear(self) -> None:
        """Clear the wake-up. Call it before looking at what has arrived."""
        self._here.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self._here.recv(64)
        self._is_set = False

    def wait(self, timeout: float | None) -> bool:
        """Wait for a wake-up; False: the time ran out first."""
        self._here.settimeout(timeout)
        try:
            self._here.recv(64, socket.MSG_PEEK)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Close the sockets."""
        self._here.close()
        self._there.close()
