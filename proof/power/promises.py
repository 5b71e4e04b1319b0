"""What clients were told, among the events of the disk: at each moment, what must be found and what may be.

A message, or a definition, goes through steps, each of which says where it is. A step has begun when its client has
asked for it, and is promised when the client was told; between the two it may have happened or not.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from proof.platter import Note

__all__ = ["Begun", "Delivered", "Found", "Ledger", "Moment", "Note", "Promised", "Seen", "Together", "Undone"]

Where: TypeAlias = frozenset[str]
NOWHERE: Where = frozenset()


@dataclass(frozen=True, slots=True)
class Begun(Note):
    """A client asks for a step."""

    name: str
    step: int
    where: Where


@dataclass(frozen=True, slots=True)
class Promised(Note):
    """A client was told that it is done."""

    name: str
    step: int


@dataclass(frozen=True, slots=True)
class Seen(Note):
    """A client was given a message, or may have been."""

    name: str


@dataclass(frozen=True, slots=True)
class Delivered(Note):
    """A client held a message when it was told that something later is safe: the delivery is on the disk, too."""

    name: str


@dataclass(frozen=True, slots=True)
class Together(Note):
    """A transaction is asked for, of these messages with these steps."""

    steps: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Undone(Note):
    """Its client was told that it is not done."""

    steps: tuple[tuple[str, int], ...]


@dataclass
class Found:
    """What a broker has after a cut."""

    places: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By message, how often it is in which queue."""
    returns: dict[str, int] = field(default_factory=dict)
    """How often each message was given back, as the broker counts it."""
    order: dict[str, list[str]] = field(default_factory=dict)
    """By queue, what was ready, in order."""


class Ledger:
    """Who is where in which step. Every method may be called from any thread."""

    def __init__(self, note: Callable[[Note], None]) -> None:
        self._note = note
        self._lock = threading.Lock()
        self.steps: dict[str, list[Where]] = {}
        """By message; before the first step it is nowhere."""
        self.seen: set[str] = set()
        """What any client was given at any time, or may have been."""

    @classmethod
    def of(cls, notes: Iterable[Note]) -> Ledger:
        """What ledgers of other processes have noted, in one: no two have messages of the same name."""
        ledger = cls(lambda _: None)
        for note in notes:
            match note:
                case Begun(name, _, where):
                    ledger.steps.setdefault(name, [NOWHERE]).append(where)
                case Seen(name):
                    ledger.seen.add(name)
        return ledger

    def begin(self, name: str, *where: str) -> int:
        """Something is asked for that puts a message in these places; returns the step."""
        with self._lock:
            steps = self.steps.setdefault(name, [NOWHERE])
            steps.append(frozenset(where))
            step = len(steps) - 1
        self._note(Begun(name, step, steps[step]))
        return step

    def begin_together(self, changes: Mapping[str, Iterable[str]]) -> list[tuple[str, int]]:
        """A transaction is asked for."""
        steps = [(name, self.begin(name, *where)) for name, where in changes.items()]
        self._note(Together(tuple(steps)))
        return steps

    def undo(self, steps: list[tuple[str, int]]) -> None:
        """The client was told that the transaction was not kept."""
        self._note(Undone(tuple(steps)))

    def promise(self, name: str, step: int) -> None:
        """The client was told that it is done."""
        self._note(Promised(name, step))

    def see(self, name: str) -> None:
        """A client was given a message."""
        with self._lock:
            is_new = name not in self.seen
            self.seen.add(name)
        if is_new:
            self._note(Seen(name))

    def delivered(self, name: str) -> None:
        """A client that was given a message still held it when it was told that something later is safe."""
        self._note(Delivered(name))


class Moment:
    """What is promised at one moment, which moves on."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._begun: dict[str, int] = {}
        self._promised: dict[str, int] = {}
        self._delivered: set[str] = set()
        self._together: list[tuple[tuple[str, int], ...]] = []

    @property
    def promises(self) -> int:
        """How many there are."""
        return len(self._promised)

    def happen(self, note: Note) -> None:
        """The next thing that clients did, or were told."""
        match note:
            case Begun(name, step):
                self._begun[name] = step
            case Promised(name, step):
                self._promised[name] = max(step, self._promised.get(name, 0))
            case Delivered(name):
                self._delivered.add(name)
            case Together(steps):
                self._together.append(steps)
            case Undone(steps):
                self._together.remove(steps)

    def broken(self, found: Found, *, is_fresh: bool = True) -> list[str]:
        """What is not as was promised. ``is_fresh``: nobody but the ledger's clients has taken messages.

        Who looked before takes each message once more, which may be once too often: then its next step has come.
        """
        ahead = 0 if is_fresh else 1
        faults = [fault for name in self._ledger.steps if (fault := self._fault(name, found, ahead))]
        faults += [f"{name} was never sent" for name in found.places if name not in self._ledger.steps]
        for steps in self._together:
            sides = {self._has_happened(name, step, found) for name, step in steps} - {None}
            if len(sides) > 1:
                faults.append(f"a transaction is there in part: {[name for name, _ in steps]}")
        for name in found.returns:
            if name in self._delivered and not found.returns[name]:
                faults.append(f"{name} was delivered, and comes unmarked")
            if is_fresh and name not in self._ledger.seen and found.returns[name]:
                faults.append(f"{name} was never delivered, and is counted {found.returns[name]} times")
        for queue, names in found.order.items():
            faults += _disorder(queue, names)
        return faults

    def _fault(self, name: str, found: Found, ahead: int) -> str:
        steps = self._ledger.steps[name]
        first, last = self._promised.get(name, 0), self._begun.get(name, 0) + ahead
        places = found.places.get(name, Counter())
        if any(count > 1 for count in places.values()):
            return f"{name} is doubled: {dict(places)}"
        if frozenset(places) in steps[first : last + 1]:
            return ""
        may = " or ".join(str(sorted(where)) for where in dict.fromkeys(steps[first : last + 1]))
        return f"{name} is in {sorted(places)}, and belongs in {may}"

    def _has_happened(self, name: str, step: int, found: Found) -> bool | None:
        """None: nobody need tell, as it was promised, or can, as the step changes nothing."""
        steps = self._ledger.steps[name]
        where = frozenset(found.places.get(name, ()))
        if self._promised.get(name, 0) >= step or steps[step] == steps[step - 1]:
            return None
        if where == steps[step]:
            return True
        return False if where == steps[step - 1] else None


def _disorder(queue: str, names: list[str]) -> list[str]:
    """Each producer's messages are numbered: ``producer-number``."""
    last: dict[str, int] = {}
    for name in names:
        producer, _, number = name.rpartition("-")
        if int(number) < last.get(producer, -1):
            return [f"{name} is out of order in {queue}"]
        last[producer] = int(number)
    return []
