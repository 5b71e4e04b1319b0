"""Frames out of a socket: a length of four bytes, and as many bytes."""

from __future__ import annotations

import socket
import struct

__all__ = ["HEAD", "FrameStream"]

HEAD = struct.Struct(">I")
"""The length."""
# So many bytes are read at once: some hundred small messages; and of a long frame, which is there in part.
BUFFER = 1 << 16
LONG_BUFFER = 1 << 20


class FrameStream:
    """For one thread at a time. Memory grows only with what has come, whatever length a frame announces."""

    __slots__ = ("_at", "_buffer", "_peer")

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._buffer: bytes | bytearray = b""
        # What comes before was taken.
        self._at = 0

    def receive(self) -> bool:
        """Read what has come, once; False: nothing more comes.

        A blocking socket is waited for. Raises BlockingIOError where another one has nothing, and OSError.
        """
        left = len(self._buffer) - self._at
        piece = self._peer.recv(BUFFER if left < BUFFER else LONG_BUFFER)
        if not left:
            self._buffer = piece
        else:
            if self._at or isinstance(self._buffer, bytes):
                self._buffer = bytearray(memoryview(self._buffer)[self._at :])
            self._buffer += piece
        self._at = 0
        return bool(piece)

    @property
    def has_frame(self) -> bool:
        """Has all of the next frame come?"""
        left = len(self._buffer) - self._at
        return left >= HEAD.size and left - HEAD.size >= HEAD.unpack_from(self._buffer, self._at)[0]

    def take(self) -> bytes | None:
        """What is in the next frame; None: not all of it has come."""
        if not self.has_frame:
            return None
        buffer, begin = self._buffer, self._at + HEAD.size
        self._at = end = begin + HEAD.unpack_from(buffer, self._at)[0]
        return bytes(memoryview(buffer)[begin:end])
