"""A protocol of words, as small as one can be: what a third protocol brings to the parts of a session."""

from __future__ import annotations

from collections.abc import Callable

from proof.by_hand import Host

from batonmq.broker import User
from batonmq.errors import BrokerError, NotFound, StoreError
from batonmq.protocols.sessions.failures import ClientFailure
from batonmq.protocols.sessions.link import Link
from batonmq.protocols.sessions.session import Session
from tests.support.driven import Driven


class Speaker:
    """Echoes each word; some do more, as ``take`` has it."""

    def __init__(self, driven: Driven) -> None:
        self.driven = driven
        self.host = Host({})
        self.link: Link[str] = Link(driven.broker, self.host)
        self.session: Session[str] = Session(self.link, self, self, self)
        self.committed: list[int] = []
        self.failed: list[str] = []
        self.room: list[bool] = []
        self.is_apart = False

    def say(self, *words: str) -> None:
        """The client says these, in one read."""
        self.session.receive(" ".join(words).encode())

    def said(self) -> list[str]:
        """What the server takes at the end of its turn."""
        self.session.turn_ended()
        chunks = [chunk.decode() for chunk in self.link.output.chunks]
        self.link.output.chunks.clear()
        return chunks

    def parse(self, data: bytes) -> list[str]:
        return data.decode().split()

    def take(self, events: list[str], at: int) -> int:
        word = events[at]
        link = self.link
        if word == "wrong":
            raise ClientFailure("a wrong word")
        if word == "missing":
            raise NotFound("no such thing")
        if word == "bug":
            raise RuntimeError("told to fail")
        if word == "declare":
            before = link.barrier.changes
            self.driven.queue("declared")
            link.barrier.wait_for_change(before, lambda: link.output.send(b"declared"), self.failed.append)
            return at + 1
        if word == "read":
            link.barrier.wait_for_read(lambda: link.output.send(b"read"))
            return at + 1
        if word == "bye":
            link.intake.close()
            return at + 1
        # A run of the same word is taken in one piece.
        end = at
        while end < len(events) and events[end] == word:
            end += 1
        link.output.send(f"{word}*{end - at}".encode())
        return end

    def is_quick(self, event: str) -> bool:
        return event != "slow"

    def refuse(self, event: str, error: ClientFailure | BrokerError | StoreError) -> None:
        self.link.output.send(f"refused {event}".encode())

    def broken(self, event: str) -> None:
        self.link.output.finish()
        self.link.intake.close()

    def batch_committed(self, batch: int) -> None:
        self.committed.append(batch)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        self.failed.append(error.reason)

    def offer(self) -> None:
        self.room.append(True)

    def withdraw(self) -> None:
        self.room.append(False)

    def tick(self, now: float) -> float:
        """Words have no heartbeats."""
        return 1.0

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Everybody may say words."""

    def shutdown(self, reason: str) -> None:
        self.link.output.send(reason.encode())
        self.link.output.finish()

    def lost(self) -> None:
        """Nothing is held."""

    def come_apart(self) -> None:
        self.is_apart = True
