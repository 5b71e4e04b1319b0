"""One connection to the owner of a file."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections import deque
from typing import BinaryIO, cast

import msgspec

from batonmq.engines.forks import when_forked
from batonmq.engines.shared import wire
from batonmq.errors import StoreError

__all__ = ["HELLO_SECONDS", "Link"]

# An owner that has accepted says hello within this, in seconds, or is taken for stopped.
HELLO_SECONDS = 5.0


class Link:
    """Sends without ever waiting, from any thread; one thread reads."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._stream = cast("BinaryIO", peer.makefile("rb"))
        self._lock = threading.Lock()
        # What the socket does not take at once, a thread that lives as long as there is something.
        self._backlog: deque[bytes] = deque()
        when_forked(self)

    def greet(self) -> None:
        """Wait for the owner's hello. Raises OSError when there is none, StoreError when it speaks another version."""
        self._peer.settimeout(HELLO_SECONDS)
        try:
            hello = self.read()
            if not isinstance(hello, wire.Hello):
                raise ConnectionError("it goes")
            if hello.version != wire.VERSION:
                raise StoreError(
                    f"process {hello.process} has the file, and another version of BatonMQ: they cannot share it"
                )
        except BaseException:
            self.close()
            self.release()
            raise
        self._peer.settimeout(None)

    def send(self, command: wire.Numbered) -> None:
        """Raises ValueError for what is too large. That the owner is gone is told by ``read`` alone."""
        framed = wire.frame(command)
        with self._lock:
            if self._backlog:
                self._backlog.append(framed)
                return
            sent = self._send_now(framed)
            if sent < len(framed):
                self._backlog.append(framed[sent:])
                threading.Thread(target=self._send_rest, name="batonmq-shared-send", daemon=True).start()

    def _send_now(self, framed: bytes) -> int:
        try:
            return self._peer.send(framed, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            return len(framed)

    def _send_rest(self) -> None:
        while True:
            framed = self._backlog[0]
            with contextlib.suppress(OSError):
                self._peer.sendall(framed)
            with self._lock:
                self._backlog.popleft()
                if not self._backlog:
                    return

    def read(self) -> wire.Answer | None:
        """The next answer; None when the owner is gone."""
        try:
            return wire.read_answer(self._stream)
        except (OSError, ValueError, msgspec.DecodeError):
            return None

    def close(self) -> None:
        """Both ends are told; whoever reads here gets None."""
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Nobody reads any more."""
        self._stream.close()
        self._peer.close()

    def forked(self) -> None:
        """The parent talks over it."""
        with contextlib.suppress(OSError):
            os.close(self._peer.detach())
