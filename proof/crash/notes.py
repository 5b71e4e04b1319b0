"""What a client noted, and when: small records, one a line, in a file that only one thread appends to."""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import msgspec

__all__ = [
    "ACCEPT",
    "BROKER",
    "REJECT",
    "RELEASE",
    "REQUEUE",
    "Begun",
    "Book",
    "Committed",
    "Committing",
    "Confirmed",
    "Drained",
    "Ended",
    "Fault",
    "Killed",
    "Late",
    "Note",
    "Opened",
    "Pulse",
    "Received",
    "Refused",
    "RolledBack",
    "Sending",
    "Settled",
    "Settling",
    "TakenOver",
    "Used",
    "read_all",
    "read_notes",
]

ACCEPT, RELEASE, REQUEUE, REJECT = "accept", "release", "requeue", "reject"
"""How a delivery is settled: done with; given back, uncounted (AMQP 1.0's released); given back and counted (a nack,
the Python API's release); to the dead letters."""
BROKER = "broker"
"""Whom `Killed` names when it is the engine itself: the broker, or the owner of a file."""


class _Note(msgspec.Struct, frozen=True, array_like=True, tag=True):
    at: int
    """When, in nanoseconds of the clock that all processes of a machine share (time.monotonic_ns)."""


class Opened(_Note, frozen=True):
    """A connection is there."""

    session: str
    """Its name, which no other has."""
    life: int
    """The life of the engine to which it belongs."""
    client: str
    """Who has it: whom `Killed` would name."""
    soft: bool = False
    """Whether it may be another connection by now, without having told."""


class Ended(_Note, frozen=True):
    """The connection is about to be closed, or was found to be lost; orderly, once its close was answered."""

    session: str
    orderly: bool


class Sending(_Note, frozen=True):
    """A message is about to be sent."""

    id: str
    """The message's own; of a copy that a fanout makes, too."""
    session: str
    queues: tuple[str, ...]
    """Where it goes first: one queue of each family."""
    lane: str
    """Messages of a lane that go to one queue keep their order: one producer, one priority."""
    number: int
    """Its place in the lane, ascending."""
    persistent: bool = True
    due: int = 0
    """Not before this time, by the clock of the notes; 0: at once."""
    copies: int = 1
    """How often it is delivered: more than once by a schedule; -1: as often as its schedule says, which has no end."""
    group: str = ""
    work: str = ""
    """The transaction that it belongs to."""


class Confirmed(_Note, frozen=True):
    """The engine has promised to keep them."""

    ids: tuple[str, ...]


class Refused(_Note, frozen=True):
    """The engine has said that it does not take it."""

    id: str


class Received(_Note, frozen=True):
    """A consumer has it in its hands."""

    session: str
    delivery: int
    """A number of the session's own."""
    queue: str
    id: str
    life: int
    """In which life of the engine it was delivered; -1 when the client cannot tell."""
    redelivered: bool
    returns: int | None = None
    """How often it came back before, by what the engine says; None when it does not say."""
    deaths: int = 0
    """How often it has died before: this tells a visit to a queue from the next."""
    asked: int = 0
    """The engine had not given it away before this time; 0: nobody can tell."""


class Settling(_Note, frozen=True):
    """Deliveries are about to be settled."""

    session: str
    deliveries: tuple[int, ...]
    how: str
    work: str = ""


class Settled(_Note, frozen=True):
    """The engine has promised that the settlements are kept."""

    session: str
    deliveries: tuple[int, ...]


class Late(_Note, frozen=True):
    """The engine has said that the settlements came too late, so that others may have what they were for."""

    session: str
    deliveries: tuple[int, ...]


class TakenOver(_Note, frozen=True):
    """Another process is the engine from now on, whatever became of the one before: it waits for those who hold
    something, and not for ever."""


class Begun(_Note, frozen=True):
    """A transaction begins."""

    work: str


class Committing(_Note, frozen=True):
    """Its commit is about to be asked for."""

    work: str


class Committed(_Note, frozen=True):
    """The engine has promised that it is kept."""

    work: str


class RolledBack(_Note, frozen=True):
    """It is undone: a rollback was asked for, or the engine has refused the commit."""

    work: str


class Killed(_Note, frozen=True):
    """A process is about to be killed: the engine (`BROKER`), or a client."""

    what: str


class Fault(_Note, frozen=True):
    """Something happened that must not."""

    text: str


class Used(_Note, frozen=True):
    """Something was done that no other note tells of: for the counts."""

    what: str


class Drained(_Note, frozen=True):
    """All that was there has been taken, and nothing comes any more."""


Note: TypeAlias = (
    Opened
    | Ended
    | Sending
    | Confirmed
    | Refused
    | Received
    | Settling
    | Settled
    | Late
    | TakenOver
    | Begun
    | Committing
    | Committed
    | RolledBack
    | Killed
    | Fault
    | Used
    | Drained
)


def now() -> int:
    """The time of a note."""
    return time.monotonic_ns()


class Book:
    """The notes of one thread, in a file of its own. Each is with the system when `write` returns."""

    __slots__ = ("_encoder", "_file", "name")

    def __init__(self, folder: Path, name: str) -> None:
        """`name` must be new in the folder: FileExistsError."""
        self.name = name
        self._encoder = msgspec.json.Encoder()
        self._file = os.open(folder / f"{name}.notes", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)

    def write(self, *notes: Note) -> None:
        """Append them, in one piece."""
        os.write(self._file, b"".join([self._encoder.encode(note) + b"\n" for note in notes]))

    def close(self) -> None:
        """No more notes."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_notes(file: Path) -> Iterator[Note]:
    """The notes of one file, in their order; without the last, if its writer was killed in the middle of it."""
    decoder: msgspec.json.Decoder[Note] = msgspec.json.Decoder(Note)
    with file.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield decoder.decode(line)


def read_all(folder: Path) -> Iterable[Iterator[Note]]:
    """The notes of every file in the folder."""
    return [read_notes(file) for file in sorted(folder.glob("*.notes"))]


class Pulse:
    """Which life of the engine it is, in a file that all processes have mapped: even while it lives, odd while dead."""

    __slots__ = ("_map",)
    _NUMBER = struct.Struct("<Q")

    def __init__(self, file: Path) -> None:
        """Makes the file where there is none: life 0."""
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if os.fstat(handle).st_size < self._NUMBER.size:
                os.ftruncate(handle, self._NUMBER.size)
            self._map = mmap.mmap(handle, self._NUMBER.size)
        finally:
            os.close(handle)

    @property
    def beat(self) -> int:
        """The number as it is now."""
        return int(self._NUMBER.unpack_from(self._map)[0])

    @property
    def life(self) -> int | None:
        """Which life it is; None between two."""
        beat = self.beat
        return None if beat % 2 else beat // 2

    def dies(self) -> None:
        """Before the engine is killed."""
        self._NUMBER.pack_into(self._map, 0, self.beat | 1)

    def lives(self) -> None:
        """When the next is there, or before: whoever connects from now on belongs to it."""
        self._NUMBER.pack_into(self._map, 0, (self.beat | 1) + 1)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
