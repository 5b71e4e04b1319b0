"""STOMP 1.2, by as little of a client as it takes."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence

from proof.crash.notes import ACCEPT, REJECT, REQUEUE
from proof.crash.served.line import HUNG, Hangs, Line, Lost, Message, Taken

__all__ = ["StompLine"]


class StompLine(Line):
    """A connection that has been answered with CONNECTED. Receipts are asked for whatever has to be promised."""

    def __init__(self, port: int) -> None:
        self._buffer = bytearray()
        self._came: deque[Taken] = deque()
        self._acks: dict[int, str] = {}
        self._receipts: set[str] = set()
        self._errors: dict[str, str] = {}
        self._number = 0
        self._work = ""
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), HUNG)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Lost(repr(error)) from error
        try:
            self._say("CONNECT", {"accept-version": "1.2", "host": "/", "login": "guest", "passcode": "guest"})
            self._connected = False
            self._until(lambda: self._connected)
        except BaseException:
            self._socket.close()
            raise

    def send(self, message: Message) -> None:
        destination = f"/exchange/{message.target}" if message.fanout else f"/amq/queue/{message.target}"
        headers = {"destination": destination, "persistent": "true" if message.persistent else "false"}
        headers |= {name: str(value) for name, value in message.headers.items()}
        if message.priority:
            headers["priority"] = str(message.priority)
        self._say("SEND", self._asking(headers), message.body)

    def _asking(self, headers: dict[str, str]) -> dict[str, str]:
        """In a transaction, or with a receipt."""
        if self._work:
            return headers | {"transaction": self._work}
        return headers | {"receipt": self._receipt()}

    def _receipt(self) -> str:
        self._number += 1
        name = f"r{self._number}"
        self._receipts.add(name)
        return name

    def confirm(self) -> set[str]:
        self._until(lambda: not self._receipts)
        return set()

    def consume(self, queue: str, prefetch: int) -> None:
        headers = {"id": "0", "destination": f"/amq/queue/{queue}", "ack": "client-individual"}
        self._say("SUBSCRIBE", headers | {"prefetch-count": str(prefetch), "receipt": self._receipt()})
        self.confirm()

    def take(self, wait: float) -> Taken | None:
        end = time.monotonic() + wait
        while not self._came and (left := end - time.monotonic()) > 0:
            self._read(left)
        return self._came.popleft() if self._came else None

    @property
    def ways(self) -> tuple[str, ...]:
        return (REQUEUE, REJECT)

    def settle(self, numbers: Sequence[int], how: str) -> None:
        for number in numbers:
            headers = self._asking({"id": self._acks[number]})
            if how == REJECT:
                headers["requeue"] = "false"
            self._say("ACK" if how == ACCEPT else "NACK", headers)

    def sync(self) -> None:
        self.confirm()

    def begin(self) -> None:
        self._number += 1
        self._work = f"t{self._number}"
        self._say("BEGIN", {"transaction": self._work})

    def commit(self) -> None:
        receipt = self._receipt()
        work, self._work = self._work, ""
        self._say("COMMIT", {"transaction": work, "receipt": receipt})
        self.confirm()

    def roll_back(self) -> None:
        receipt = self._receipt()
        work, self._work = self._work, ""
        self._say("ABORT", {"transaction": work, "receipt": receipt})
        self.confirm()

    def close(self) -> str:
        try:
            self._say("DISCONNECT", {"receipt": self._receipt()})
            self.confirm()
        except (Lost, Hangs) as error:
            return repr(error)
        finally:
            self._socket.close()
        return ""

    # ------------------------------------------------------------------ frames

    def _say(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        try:
            self._socket.settimeout(HUNG)
            self._socket.sendall(f"{command}\n{lines}\n".encode() + body + b"\0")
        except TimeoutError as error:
            raise Hangs("the broker reads nothing") from error
        except OSError as error:
            raise Lost(repr(error)) from error

    def _until(self, done: object) -> None:
        assert callable(done)
        end = time.monotonic() + HUNG
        while not done():
            if (left := end - time.monotonic()) <= 0:
                raise Hangs(f"no answer to {sorted(self._receipts)[:3]}")
            self._read(left)

    def _read(self, wait: float) -> None:
        """What came, or comes within so many seconds."""
        try:
            self._socket.settimeout(wait)
            data = self._socket.recv(65536)
        except TimeoutError:
            return
        except OSError as error:
            raise Lost(repr(error)) from error
        if not data:
            raise Lost("the broker has closed the connection")
        self._buffer += data
        *frames, rest = bytes(self._buffer).split(b"\0")
        self._buffer = bytearray(rest)
        for frame in frames:
            self._take_frame(frame.lstrip(b"\r\n"))

    def _take_frame(self, frame: bytes) -> None:
        head, _, body = frame.partition(b"\n\n")
        command, *lines = head.decode().split("\n")
        headers = dict(line.rstrip("\r").split(":", 1) for line in reversed(lines))
        match command:
            case "MESSAGE":
                self._number += 1
                self._acks[self._number] = headers["ack"]
                marked = headers["redelivered"] == "true"
                count = headers.get("JMSXDeliveryCount")
                returns = int(count) - 1 if count is not None else None if marked else 0
                self._came.append(Taken(self._number, body.partition(b" ")[0].decode(), marked, returns))
            case "RECEIPT":
                self._receipts.discard(headers["receipt-id"])
            case "CONNECTED":
                self._connected = True
            case "ERROR":
                raise Lost(f"ERROR {headers.get('message')}: {body[:200]!r}")
            case _:
                raise Lost(f"an unknown frame: {command[:50]!r}")
