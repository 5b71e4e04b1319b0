"""One connection to the owner of a file."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections import deque

import msgspec

from batonmq.engines.forks import when_forked
from batonmq.engines.shared import answers, wire
from batonmq.engines.shared.frame_stream import FrameStream
from batonmq.engines.shared.numbered import Numbered
from batonmq.errors import StoreError

__all__ = ["HELLO_SECONDS", "Link"]

# How long an owner may take to say hello after it has accepted, in seconds. A slower one counts as stopped.
HELLO_SECONDS = 5.0


class Link:
    """Sends without blocking, from any thread; one thread reads.

    ``sent`` is the number of the last command that was sent completely: the owner cannot have begun a later one.
    """

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._stream = FrameStream(peer)
        self._lock = threading.Lock()
        # What the socket did not take at once. A thread sends it, and ends when nothing is left.
        self._backlog: deque[tuple[int, bytes]] = deque()
        self.sent = 0
        # The owner's opening of the file.
        self.opening = 0
        when_forked(self)

    def greet(self) -> None:
        """Wait for the owner's hello. Raises OSError if there is none, StoreError if it has another version."""
        self._peer.settimeout(HELLO_SECONDS)
        try:
            hello = self.read()
            if not isinstance(hello, answers.Hello):
                raise ConnectionError("it goes")
            if hello.version != wire.VERSION:
                raise StoreError(
                    f"process {hello.process} has the file, and another version of BatonMQ: they cannot share it"
                )
            self.opening = hello.opening
        except BaseException:
            self.close()
            self.release()
            raise
        self._peer.settimeout(None)

    def send(self, command: Numbered) -> bool:
        """Send a command; False: the owner is gone, and did not get it. Raises ValueError if it is too large."""
        framed = wire.frame(command)
        with self._lock:
            if self._backlog:
                self._backlog.append((command.number, framed))
                return True
            sent = self._send_now(framed)
            if sent is None:
                return False
            if sent == len(framed):
                self.sent = command.number or self.sent
                return True
            self._backlog.append((command.number, framed[sent:]))
            threading.Thread(target=self._send_rest, name="batonmq-shared-send", daemon=True).start()
            return True

    def _send_now(self, framed: bytes) -> int | None:
        """How many bytes were sent; None: the connection is broken."""
        try:
            return self._peer.send(framed, socket.MSG_DONTWAIT | wire.NO_SIGNAL)
        except BlockingIOError:
            return 0
        except OSError:
            return None

    def _send_rest(self) -> None:
        is_broken = False
        while True:
            number, framed = self._backlog[0]
            try:
                self._peer.sendall(framed, wire.NO_SIGNAL)
            except OSError:
                is_broken = True
            with self._lock:
                if not is_broken:
                    self.sent = number or self.sent
                self._backlog.popleft()
                if not self._backlog:
                    return

    def read(self) -> answers.Answer | None:
        """The next answer; None when the owner is gone."""
        try:
            return wire.read_answer(self._stream)
        except (OSError, ValueError, msgspec.DecodeError):
            return None

    def close(self) -> None:
        """Shut the connection down: both ends notice, and a read here returns None."""
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Close the socket, once no thread reads from it any more."""
        self._peer.close()

    def forked(self) -> None:
        """Close the copy in a forked child: the parent goes on using its own."""
        with contextlib.suppress(OSError):
            os.close(self._peer.detach())
