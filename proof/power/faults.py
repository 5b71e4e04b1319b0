"""A disk that fails at each of its operations in turn: nothing is confirmed that is lost, and the broker recovers."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from batonmq.errors import StoreError
from proof.disk import Disk, Fault, lay
from proof.platter import Event, Note, Platter, SyncFailed
from proof.power.opened import NOTHING_YET, STORE, Heard, Opened, look
from proof.power.promises import Ledger, Moment, Promised

__all__ = ["STRIKES", "Striking", "Sweep", "cut", "sweep"]

QUEUE = "ordered.q"
STRIKES = {
    Fault.FULL: ("write", "resize"),
    Fault.SHORT: ("write",),
    Fault.FAILED: ("write", "sync"),
    Fault.READ_ONLY: ("write",),
}
MESSAGES = 6
CUTS = 2
SHOWN = 10


@dataclass
class Sweep:
    """What was tried, and what was found."""

    faults: int = 0
    cuts: int = 0
    broken: int = 0
    examples: list[str] = field(default_factory=list)

    def blame(self, what: str, found: list[str]) -> None:
        """Something is not as was promised."""
        if found:
            self.broken += 1
            if len(self.examples) < SHOWN:
                self.examples.append(f"{what}: {'; '.join(found[:4])}")


@dataclass
class Striking:
    """A fault at one operation, or from there on until it is healed."""

    fault: Fault
    at: int
    lasts: bool
    count: int = 0
    has_struck: bool = False
    is_healed: bool = False

    def __call__(self, what: str, _name: str) -> Fault | None:
        if self.is_healed or what not in STRIKES[self.fault]:
            return None
        self.count += 1
        if self.count - 1 == self.at or (self.lasts and self.count > self.at):
            self.has_struck = True
            return self.fault
        return None


def sweep(place: Path, seed: int, every: int = 1, tell: Callable[[Sweep], None] = lambda _: None) -> Sweep:
    """Each fault at each operation, once and for long; ``every``: at one operation of so many.

    ``tell`` is called with the account after each fault.
    """
    account = Sweep()
    chance = random.Random(f"{seed} faults")
    heard = Heard()
    for fault, lasts in itertools.product(Fault, (False, True)):
        for at in itertools.count(chance.randrange(every), every):
            if not _one(Striking(fault, at, lasts), place, account, chance, heard):
                break
            account.faults += 1
            tell(account)
    return account


def _one(striking: Striking, place: Path, account: Sweep, chance: random.Random, heard: Heard) -> bool:
    """Tells whether the operation was reached at all."""
    what = f"{striking.fault.value} at operation {striking.at}{' and on' if striking.lasts else ''}"
    shutil.rmtree(place, ignore_errors=True)
    (place / "store").mkdir(parents=True)
    events: list[Event] = []
    ledger = Ledger(events.append)
    with Disk(place / "store", events) as disk:
        disk.fault = striking
        account.blame(what, _work(place / "store" / STORE, striking, ledger))
    if striking.has_struck:
        cut(events, ledger, place / "cut", account, what, chance, heard)
    return striking.has_struck


def _work(path: Path, striking: Striking, ledger: Ledger) -> list[str]:
    """Publish and take, whatever the disk does; what is wrong with how the broker bore it."""
    try:
        opened = Opened(path)
    except StoreError:
        # Without a file there is nothing to serve yet.
        striking.is_healed = True
        opened = Opened(path)
    opened.operations.declare_queue(QUEUE, durable=True)
    if opened.turn() is not None:
        striking.is_healed = True
    settled: list[tuple[str, int]] = []
    for number in range(MESSAGES):
        name = f"m-{number}"
        step = ledger.begin(name, QUEUE)
        # As sessions do, which refuse at once what is published while the disk takes nothing.
        takes = opened.store.error is None
        opened.publish(QUEUE, name, 20_000 if number % 2 else 100)
        if opened.turn() is None and takes:
            ledger.promise(name, step)
            for one in settled:
                ledger.promise(*one)
            settled.clear()
        if number % 2 and (got := opened.accept_first(QUEUE)):
            settled.append((got, ledger.begin(got)))
            opened.turn()
    striking.is_healed = True
    for _ in range(3):
        opened.turn()
    faults = [] if opened.store.error is None else [f"it does not recover: {opened.store.error}"]
    step = ledger.begin("last-0", QUEUE)
    opened.publish(QUEUE, "last-0")
    if (failure := opened.turn()) is None:
        ledger.promise("last-0", step)
    else:
        faults.append(f"it takes no messages again: {failure}")
    opened.close()
    return faults


def _after_failures(events: list[Event]) -> Iterator[int]:
    """Where something is promised next after a sync that failed: what that lost may not lie before it."""
    has_failed = False
    for index, event in enumerate(events):
        if isinstance(event, SyncFailed):
            has_failed = True
        elif has_failed and isinstance(event, Promised):
            has_failed = False
            yield index


def cut(
    events: list[Event],
    ledger: Ledger,
    place: Path,
    account: Sweep,
    what: str,
    chance: random.Random,
    heard: Heard,
) -> None:
    """Have the power go now and then, at the promise after a failed sync, and at the end; look at what is left."""
    cuts = {chance.randrange(len(events)) for _ in range(CUTS)} | set(_after_failures(events))
    platter, moment = Platter(), Moment(ledger)
    for index, event in enumerate([*events, None]):
        if isinstance(event, Note):
            moment.happen(event)
        elif event is not None:
            platter.happen(event)
        if index not in cuts and event is not None:
            continue
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        lay(platter.left(chance), place)
        with heard.listening():
            found, faults = look(place, heard)
        account.cuts += 1
        if not moment.promises:
            faults = [fault for fault in faults if not fault.endswith(NOTHING_YET)]
        if found is not None:
            faults += moment.broken(found, is_fresh=False)
        account.blame(f"{what}, cut after event {index}", faults)
