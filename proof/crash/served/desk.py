"""What a thread of a client works with: its notes, its connections, and what stage the run is at."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proof.crash.features import AMQP10, STOMP
from proof.crash.notes import Begun, Book, Committed, Committing, Ended, Fault, Opened, Pulse, RolledBack, Settling, now
from proof.crash.served.amqp091 import Amqp091Line
from proof.crash.served.amqp10 import Amqp10Line
from proof.crash.served.line import Hangs, Line, Lost, RolledBackError
from proof.crash.served.stomp import StompLine

__all__ = ["FINISHING", "LOAD", "OVER", "Desk", "Leave", "Session"]

LOAD, FINISHING, OVER = 0, 1, 2
"""Stages, as the lives of a Pulse: clients make mistakes; producers have ended and consumers accept all; it is over."""
RETRY = 0.01
NOTICED = 10.0
"""Seconds within which whoever kills has told so."""


class Leave(Exception):
    """The session is to end here, whatever it holds."""


@dataclass(slots=True)
class Session:
    """A connection, and its notes."""

    name: str
    line: Line
    life: int
    desk: Desk

    @contextmanager
    def work(self, chance: float) -> Iterator[str]:
        """A transaction: committed, or rolled back by that chance; Leave after it was not committed."""
        desk = self.desk
        name = desk.new_name("w")
        desk.book.write(Begun(now(), name))
        self.line.begin()
        yield name
        if desk.chance.random() < chance:
            desk.book.write(RolledBack(now(), name))
            self.line.roll_back()
            raise Leave
        desk.book.write(Committing(now(), name))
        try:
            self.line.commit()
        except RolledBackError:
            desk.book.write(RolledBack(now(), name))
            raise Leave from None
        desk.book.write(Committed(now(), name))

    def settle(self, numbers: list[int], how: str, work: str = "") -> None:
        """Note it, and do it."""
        self.desk.book.write(Settling(now(), self.name, tuple(numbers), how, work))
        self.line.settle(numbers, how)


class Desk:
    """Of one thread."""

    def __init__(self, folder: Path, port: int, client: str, name: str, seed: str) -> None:
        """`folder` is that of the notes; `client` is the process."""
        self.name = f"{client}.{name}"
        self.chance = random.Random(seed)
        self.book = Book(folder, self.name)
        self._client = client
        self._port = port
        self._pulse = Pulse(folder / "pulse")
        self._stage = Pulse(folder / "stage")
        self._count = 0

    @property
    def stage(self) -> int:
        """LOAD, FINISHING or OVER."""
        return self._stage.beat // 2

    def new_name(self, kind: str) -> str:
        """One that nobody else has."""
        self._count += 1
        return f"{self.name}.{kind}{self._count}"

    def close(self) -> None:
        """The thread ends."""
        self.book.close()
        self._pulse.close()
        self._stage.close()

    def keep(self, protocol: str, role: Callable[[Session], None], until: int, *, transactional: bool = False) -> None:
        """Do it over one connection after the other, until a stage is reached. The role returns when it is."""
        while self.stage < until:
            life = self._pulse.life
            if life is None:
                time.sleep(RETRY)
                continue
            try:
                line = self._open(protocol, transactional=transactional)
            except Lost:
                time.sleep(RETRY)
                continue
            except Hangs as error:
                self._blame(life, f"{protocol} log-in: {error}")
                continue
            if self._pulse.beat != 2 * life:
                line.close()
                continue
            session = Session(self.new_name(f"{protocol}-s"), line, life, self)
            self.book.write(Opened(now(), session.name, life, self._client))
            self._use(session, role)

    def _use(self, session: Session, role: Callable[[Session], None]) -> None:
        name = session.name
        try:
            role(session)
        except Leave:
            pass
        except (Lost, Hangs) as error:
            self.book.write(Ended(now(), name, orderly=False))
            session.line.close()
            self._blame(session.life, f"{name}: {error}")
            return
        self.book.write(Ended(now(), name, orderly=False))
        if reason := session.line.close():
            self._blame(session.life, f"{name}: its close was not answered: {reason}")
        else:
            self.book.write(Ended(now(), name, orderly=True))

    def _blame(self, life: int, text: str) -> None:
        """A fault, unless the broker was killed: whoever kills tells so soon."""
        end = time.monotonic() + NOTICED
        while self._pulse.beat == 2 * life:
            if time.monotonic() > end:
                self.book.write(Fault(now(), text))
                return
            time.sleep(RETRY)

    def _open(self, protocol: str, *, transactional: bool) -> Line:
        if protocol == STOMP:
            return StompLine(self._port)
        if protocol == AMQP10:
            return Amqp10Line(self._port, self.new_name("c"))
        return Amqp091Line(self._port, transactional=transactional)
