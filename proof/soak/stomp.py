"""As much of STOMP 1.2 as a soak needs, over TCP or WebSocket: blocking, bodies of text."""

from __future__ import annotations

import contextlib
import itertools
import socket
from typing import Protocol

from bench.failures import BenchError
from websockets.sync.client import connect as open_websocket

__all__ = ["Frame", "Stomp", "Tcp", "Web", "Wire"]

PATIENCE = 60.0
Frame = tuple[str, dict[str, str], str]
"""Command, headers and body."""


class Wire(Protocol):
    """What carries frames; OSError when it breaks."""

    def send(self, text: str) -> None:
        """All of it."""

    def receive(self, wait: float) -> bytes:
        """What has come; TimeoutError when nothing does."""

    def close(self) -> None:
        """Leave without a word."""


class Tcp:
    """A connection of its own."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)

    def send(self, text: str) -> None:
        self._socket.settimeout(PATIENCE)
        self._socket.sendall(text.encode())

    def receive(self, wait: float) -> bytes:
        self._socket.settimeout(max(wait, 0.001))
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the broker has closed the connection")
        return data

    def close(self) -> None:
        self._socket.close()


class Web:
    """A WebSocket: each frame is a message, and so is what comes."""

    def __init__(self, port: int) -> None:
        self._leaving = contextlib.ExitStack()
        self._socket = self._leaving.enter_context(
            open_websocket(
                f"ws://127.0.0.1:{port}/ws", open_timeout=PATIENCE, compression=None, ping_interval=None, max_queue=None
            )
        )

    def send(self, text: str) -> None:
        self._socket.send(text)

    def receive(self, wait: float) -> bytes:
        message = self._socket.recv(max(wait, 0.001))
        return message.encode() if isinstance(message, str) else message

    def close(self) -> None:
        self._leaving.close()


class Stomp:
    """A session: logged in when it is made."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._buffer = b""
        self._messages: list[Frame] = []
        self._receipts = (f"r{number}" for number in itertools.count())
        try:
            self.send("CONNECT", {"accept-version": "1.2", "host": "/", "login": "guest", "passcode": "guest"})
            self._await("CONNECTED", "")
        except BaseException:
            wire.close()
            raise

    def send(self, command: str, headers: dict[str, str], body: str = "") -> None:
        """One frame; headers that need no escapes."""
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        self._wire.send(f"{command}\n{lines}\n{body}\0")

    def ask(self, command: str, headers: dict[str, str], body: str = "") -> None:
        """One frame with a receipt, and wait for that."""
        receipt = next(self._receipts)
        self.send(command, {**headers, "receipt": receipt}, body)
        self._await("RECEIPT", receipt)

    def message(self, wait: float) -> Frame | None:
        """The next MESSAGE; None: there is none within so many seconds."""
        if self._messages:
            return self._messages.pop(0)
        try:
            frame = self._frame(wait)
        except TimeoutError:
            return None
        if frame[0] != "MESSAGE":
            raise BenchError(f"expected MESSAGE, got {frame!r:.200}")
        return frame

    def close(self) -> None:
        """Leave without a word."""
        self._wire.close()

    def _await(self, command: str, receipt: str) -> None:
        while True:
            frame = self._frame(PATIENCE)
            if frame[0] == "MESSAGE":
                self._messages.append(frame)
            elif frame[0] == command and frame[1].get("receipt-id", "") == receipt:
                return
            else:
                raise BenchError(f"expected {command} {receipt}, got {frame!r:.200}")

    def _frame(self, wait: float) -> Frame:
        while (end := self._buffer.find(b"\0")) < 0:
            self._buffer += self._wire.receive(wait)
        text, self._buffer = self._buffer[:end].decode().lstrip("\r\n"), self._buffer[end + 1 :]
        head, _, body = text.partition("\n\n")
        command, *lines = head.split("\n")
        return command, {name: value for name, _, value in (line.partition(":") for line in reversed(lines))}, body
