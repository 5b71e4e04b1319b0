"""Ten thousand cuts of one run: each is laid into a folder, opened, and held against what was promised by then."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.settings import ROOT

import batonmq
from proof.disk import Disk, lay
from proof.platter import Event, Files, Note, Platter, Synced
from proof.power.clients import CLIENTS, Run
from proof.power.movers import MOVERS
from proof.power.opened import NOTHING_YET, STORE, Heard, look
from proof.power.programs import THREADS
from proof.power.promises import Begun, Ledger, Moment, Promised
from proof.power.served import Served
from proof.power.sharing import happened

__all__ = ["Account", "Recorded", "check", "most_syncs", "record", "record_program", "record_programs"]

TRIES = 4
"""How often another state is looked for where the one found was seen already."""
SECOND = 0.25
"""The share of cuts that are cut once more while the broker recovers."""
SHOWN = 10


@dataclass
class Recorded:
    """One run: what the disk and the clients did, in its order."""

    events: list[Event] = field(default_factory=list)
    ledger: Ledger = field(init=False)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.events.append)


@dataclass
class Account:
    """What was tried, and what was found."""

    states: int = 0
    recoveries: int = 0
    """How many of them were cut during a recovery."""
    promises: int = 0
    """How many promises they were held against, all in all."""
    broken: int = 0
    examples: list[str] = field(default_factory=list)

    def blame(self, what: str, faults: list[str]) -> None:
        """A state is not as was promised."""
        self.broken += 1
        if len(self.examples) < SHOWN:
            self.examples.append(f"{what}: {'; '.join(faults[:5])}")


def record(folder: Path, seed: int, count: int, *, sync_seconds: float = 0.0) -> Recorded:
    """Serve all clients on a disk that remembers, each of which does something ``count`` times.

    ``sync_seconds``: how long a sync takes at least.
    """

    def serve(recorded: Recorded) -> None:
        with Served(folder) as served:
            _together(recorded, seed, count, served, CLIENTS | MOVERS)

    return _record(folder, serve, sync_seconds)


def record_program(folder: Path, seed: int, count: int, *, sync_seconds: float = 0.0) -> Recorded:
    """As ``record``, with the threads of one program that has the file itself."""

    def work(recorded: Recorded) -> None:
        with batonmq.connect(folder / STORE) as mq:
            threads = {name: partial(_with_file, thread, mq) for name, thread in THREADS.items()}
            _together(recorded, seed, count, None, threads)

    return _record(folder, work, sync_seconds)


def record_programs(folder: Path, seed: int, count: int, *, kills: int = 4) -> Recorded:
    """As ``record_program``, with several programs on the file, of which so many are killed: owners and guests."""
    notes = folder.with_name(f"{folder.name}-notes")
    notes.mkdir()
    command = [sys.executable, "-m", "proof.power.sharing", str(folder), str(notes), str(seed), str(count), str(kills)]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    recorded = Recorded(happened(notes))
    recorded.ledger = Ledger.of(event for event in recorded.events if isinstance(event, Note))
    recorded.faults += ended.stdout.splitlines()
    if ended.returncode:
        recorded.faults.append(f"the programs ended with {ended.returncode}")
    return recorded


def _with_file(thread: Callable[[Run, batonmq.Connection], None], mq: batonmq.Connection, run: Run) -> None:
    thread(run, mq)


def _record(folder: Path, work: Callable[[Recorded], None], sync_seconds: float) -> Recorded:
    recorded = Recorded()
    heard = Heard()

    def wait(what: str, _name: str) -> None:
        if what == "sync":
            time.sleep(sync_seconds)

    with heard.listening(), Disk(folder, recorded.events) as disk:
        if sync_seconds:
            disk.fault = wait
        work(recorded)
    recorded.faults += heard.lines
    return recorded


def _together(
    recorded: Recorded, seed: int, count: int, served: Served | None, clients: Mapping[str, Callable[[Run], None]]
) -> None:
    threads = [
        threading.Thread(
            target=_work,
            args=(client, Run(name, served, recorded.ledger, random.Random(f"{seed} {name}"), count), recorded),
            name=name,
        )
        for name, client in clients.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _work(client: Callable[[Run], None], run: Run, recorded: Recorded) -> None:
    try:
        client(run)
    except Exception as error:  # noqa: BLE001 (whatever ends a client is a fault of the run)
        recorded.faults.append(f"the client {run.name} ended: {error!r}")


def most_syncs(recorded: Recorded) -> tuple[int, str]:
    """Of how many syncs a client waited at most until a message was safe; and for which message."""
    syncs = 0
    begun: dict[str, int] = {}
    most = 0, ""
    for event in recorded.events:
        match event:
            case Synced():
                syncs += 1
            case Begun(name, 1):
                begun[name] = syncs
            case Promised(name, 1) if name in begun:
                most = max(most, (syncs - begun.pop(name), name))
    return most


def _moments(recorded: Recorded, states: int, chance: random.Random) -> Iterator[tuple[int, int, Platter, Moment]]:
    """Where to cut, how often, and what is there and promised by then: in order, more often than there are states."""
    platter, moment = Platter(), Moment(recorded.ledger)
    total = sum(not isinstance(event, Note) for event in recorded.events)
    for index, event in enumerate(recorded.events):
        if isinstance(event, Note):
            moment.happen(event)
            continue
        platter.happen(event)
        wanted = 1.3 * states / max(total, 1)
        times = int(wanted) + (chance.random() < wanted % 1)
        if times:
            yield index, 1 if platter.is_still else times, platter, moment


def check(
    recorded: Recorded,
    states: int,
    seed: int,
    place: Path,
    kept: Path,
    tell: Callable[[Account], None] = lambda _: None,
) -> Account:
    """Cut the run so often; the folder ``place`` is used for each, and what is broken is kept in ``kept``.

    ``tell`` is called with the account after each state.
    """
    chance = random.Random(f"{seed} cuts")
    account = Account()
    seen: set[int] = set()
    heard = Heard()
    with heard.listening():
        while account.states < states:
            found = account.states
            for index, times, platter, moment in _moments(recorded, states, chance):
                for _ in range(times):
                    files = _another(platter, chance, seen)
                    if files is not None:
                        _try(f"event {index}", files, moment, account, (chance, seen, heard, place, kept))
                    tell(account)
            if account.states < found + states // 20 + 1:
                break
    return account


def _another(platter: Platter, chance: random.Random, seen: set[int]) -> Files | None:
    """A state that was not seen yet; None: none was found."""
    for _ in range(TRIES):
        files = platter.left(chance)
        # Some megabytes each: Python's own hash of bytes takes a quarter of the time of a digest.
        state = hash(tuple((name, *found) for name, found in files.items()))
        if state not in seen:
            seen.add(state)
            return files
    return None


def _try(
    what: str,
    files: Files,
    moment: Moment,
    account: Account,
    means: tuple[random.Random, set[int], Heard, Path, Path],
    *,
    is_second: bool = False,
) -> None:
    chance, seen, heard, place, kept = means
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    lay(files, place)
    happened: list[Event] = []
    with Disk(place, happened):
        found, faults = look(place, heard)
    account.states += 1
    account.recoveries += is_second
    account.promises += moment.promises
    if not moment.promises:
        # Half of a new file is nothing, and said to be.
        faults = [fault for fault in faults if not fault.endswith(NOTHING_YET)]
    if found is not None:
        faults += moment.broken(found, is_fresh=not is_second)
    if faults:
        account.blame(what, faults)
        if account.broken <= SHOWN:
            state = kept / f"{account.broken}-{what.replace(' ', '-')}"
            state.mkdir(parents=True, exist_ok=True)
            lay(files, state)
            (state / "faults.txt").write_text("\n".join(faults) + "\n")
    if is_second or chance.random() >= SECOND or not happened:
        return
    platter = Platter(files)
    for event in happened[: chance.randrange(len(happened)) + 1]:
        platter.happen(event)
    again = _another(platter, chance, seen)
    if again is not None:
        _try(f"{what} and its recovery", again, moment, account, means, is_second=True)
