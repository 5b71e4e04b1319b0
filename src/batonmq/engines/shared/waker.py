"""Wakes a thread that waits for sockets."""

from __future__ import annotations

import contextlib
import socket

__all__ = ["Waker"]


class Waker:
    """A pair of sockets: a byte at one end makes the other readable, which the thread waits for with the rest."""

    def __init__(self) -> None:
        self._here, self.woken = socket.socketpair()
        """``woken``: what the thread waits for."""
        for one in (self._here, self.woken):
            one.setblocking(False)
        self._is_roused = False

    def rouse(self) -> None:
        """Wake the thread, unless it will wake anyway. From any thread."""
        if not self._is_roused:
            self._is_roused = True
            with contextlib.suppress(OSError):
                self._here.send(b"\0")

    def take(self) -> None:
        """The thread is awake: whoever tells of something from now on wakes it again."""
        with contextlib.suppress(BlockingIOError):
            self.woken.recv(16)
        # Last: whoever saw it set before has told of something already, which the thread looks at next.
        self._is_roused = False

    def close(self) -> None:
        """Close both ends."""
        self._here.close()
        self.woken.close()
