"""As little of a STOMP 1.2 client as latency needs: blocking, one frame at a time, bodies without NUL."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from bench.failures import BenchError
from bench.load import Load

__all__ = ["Client", "latency", "summary"]

PATIENCE = 60.0
ACKNOWLEDGED = 100
"""A cumulative ACK for so many messages, as the load generator does."""


class Client:
    """A connection that has been answered with CONNECTED; OSError when it cannot be made, or breaks."""

    __slots__ = ("_buffer", "_socket", "server")

    def __init__(self, port: int) -> None:
        self._buffer = b""
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.send("CONNECT", {"accept-version": "1.2", "host": "/", "login": "guest", "passcode": "guest"})
            self.server = self.header(self.frame(b"CONNECTED"), b"server")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, command: str, headers: dict[str, str], body: str = "") -> None:
        """One frame; headers that need no escapes."""
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        self._socket.sendall(f"{command}\n{lines}\n{body}\0".encode())

    def frame(self, command: bytes) -> bytes:
        """The next frame, which must be of this command: BenchError with what came instead."""
        while (end := self._buffer.find(b"\0")) < 0:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the broker has closed the connection")
            self._buffer += data
        found, self._buffer = self._buffer[:end].lstrip(b"\r\n"), self._buffer[end + 1 :]
        if found.split(b"\n", 1)[0].rstrip(b"\r") != command:
            raise BenchError(f"expected {command.decode()}, got {found[:200]!r}")
        return found

    @staticmethod
    def header(frame: bytes, name: bytes) -> str:
        """The first header of this name, as it stands on the wire; empty when there is none."""
        for line in frame.partition(b"\n\n")[0].split(b"\n")[1:]:
            found, _, value = line.rstrip(b"\r").partition(b":")
            if found == name:
                return value.decode()
        return ""


def latency(port: int, destination: str, count: int, *, persistent: bool) -> Load:
    """From SEND to MESSAGE, one message at a time; the next when the receipt of the one before is there too."""
    took: list[float] = []
    with Client(port) as consumer, Client(port) as producer:
        consumer.send("SUBSCRIBE", {"id": "0", "destination": destination, "ack": "client", "receipt": "ready"})
        consumer.frame(b"RECEIPT")
        headers = {"destination": destination, "persistent": str(persistent).lower()}
        began = time.perf_counter()
        for number in range(1, count + 1):
            sent = time.perf_counter()
            producer.send("SEND", {**headers, "receipt": str(number)}, "0123456789abcdef")
            message = consumer.frame(b"MESSAGE")
            took.append(time.perf_counter() - sent)
            producer.frame(b"RECEIPT")
            if number % ACKNOWLEDGED == 0 or number == count:
                consumer.send("ACK", {"id": consumer.header(message, b"ack")})
        rate = count / (time.perf_counter() - began)
        consumer.send("DISCONNECT", {"receipt": "bye"})
        consumer.frame(b"RECEIPT")
    return summary(took, rate)


def summary(took: Sequence[float], rate: float) -> Load:
    """Percentiles of at least two times, seconds in and milliseconds out."""
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    p50, p95, p99, longest = (1e3 * value for value in (cuts[49], cuts[94], cuts[98], max(took)))
    return Load(rate, rate, p50, p95, p99, longest)
