"""stomp.py with what it hears in a queue, and a deadline on every wait."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue

import stomp
from stomp.exception import StompException
from stomp.utils import Frame

WAIT = 30.0


class Heard(stomp.ConnectionListener):  # type: ignore[misc]
    """What the broker said, by kind."""

    def __init__(self) -> None:
        self.messages: SimpleQueue[Frame] = SimpleQueue()
        self.receipts: SimpleQueue[str] = SimpleQueue()
        self.errors: SimpleQueue[Frame] = SimpleQueue()

    def on_message(self, frame: Frame) -> None:
        self.messages.put(frame)

    def on_receipt(self, frame: Frame) -> None:
        self.receipts.put(frame.headers["receipt-id"])

    def on_error(self, frame: Frame) -> None:
        self.errors.put(frame)


class StompPy:
    """A connection of stomp.py: `connection` is its own, the rest waits for what comes."""

    def __init__(self, port: int, kind: type[stomp.Connection11] = stomp.Connection12, **options: object) -> None:
        self.heard = Heard()
        self.connection = kind([("127.0.0.1", port)], reconnect_attempts_max=1, **options)
        self.connection.set_listener("", self.heard)

    def log_in(self, user: str = "guest", password: str = "guest") -> StompPy:
        self.connection.connect(user, password, wait=True)
        return self

    def message(self, wait: float = WAIT) -> Frame:
        return self.heard.messages.get(timeout=wait)

    def error(self) -> Frame:
        return self.heard.errors.get(timeout=WAIT)

    def receipt(self) -> str:
        return self.heard.receipts.get(timeout=WAIT)

    def nothing_came(self) -> bool:
        """Was every message taken? Ask after a receipt that came behind what could have come."""
        try:
            self.heard.messages.get_nowait()
        except Empty:
            return True
        return False

    def close(self) -> None:
        # Either side may give up the other at any time, also between a question and what follows it.
        with suppress(StompException, OSError):
            self.connection.disconnect()
