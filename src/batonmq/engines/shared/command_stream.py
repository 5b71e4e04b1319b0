"""What another process asks for, as bytes, and whether more of it has come already."""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING

from batonmq.engines.shared import wire

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["CommandStream"]


class _Socket(io.RawIOBase):
    """Reads from a blocking socket: waits for the other end, or does not."""

    def __init__(self, peer: socket.socket) -> None:
        super().__init__()
        self._peer = peer
        self.waits = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        try:
            return self._peer.recv_into(buffer, 0, 0 if self.waits else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None


class CommandStream(io.BufferedReader):
    """For the one thread that reads. It does not close the socket."""

    def __init__(self, peer: socket.socket) -> None:
        self._socket = _Socket(peer)
        super().__init__(self._socket, wire.BUFFER)

    def has_more(self) -> bool:
        """Has more come than was read? Raises OSError."""
        self._socket.waits = False
        try:
            return bool(self.peek(1))
        finally:
            self._socket.waits = True
