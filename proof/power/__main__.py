"""``python -m proof.power``: one run of a broker, and as many losses of power in it as are asked for.

Then a quarter as many of a program that has the file itself, and of programs that share one, some of which are killed;
a twentieth of each of the first two on a slow disk; and a disk that fails.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

from proof.power.faults import Sweep, sweep
from proof.power.states import Account, Recorded, check, most_syncs, record, record_program, record_programs
from proof.power.struck import strike

KEPT, BROKEN, CANNOT, INTERRUPTED = 0, 1, 2, 130
# A run of so many operations of each client has enough to be cut so often.
STATES_FOR_EACH = 100
TELL_SECONDS = 10.0
# A sync of a slow disk, and how much each client does on one.
SLOW_SECONDS = 0.1
SLOW_COUNT = 8
# Who waits for one of its own, waits for the one before, and for those of a log that is copied into the file.
SYNCS_MOST = 10
# A disk in memory: what is cut here is not the machine's.
MEMORY = Path("/dev/shm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status: 0 all kept, 1 broken, 2 it cannot run, 130 interrupted."""
    options = _parser().parse_args(arguments)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="power-", dir=MEMORY if MEMORY.is_dir() else None))
    begin = time.monotonic()
    # What is logged wrongly is heard and told; the rest is the broker's talk of a disk that fails.
    logging.getLogger("batonmq").addHandler(logging.NullHandler())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tried = _try_all(folder, options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        print(f"power: {error}", file=sys.stderr)
        return CANNOT
    is_kept = tried.is_kept
    for line in tried.examples:
        print(line)
    if options.json:
        figures = {**tried.figures(), "seed": options.seed, "seconds": round(time.monotonic() - begin, 1)}
        Path(options.json).write_text(json.dumps(figures) + "\n")
    print(f"power: seed {options.seed}, {tried.told()}: {'ok' if is_kept else f'BROKEN, kept in {folder}'}")
    if is_kept and not options.folder:
        shutil.rmtree(folder)
    return KEPT if is_kept else BROKEN


@dataclass
class _Tried:
    """All that was tried."""

    runs: dict[str, tuple[Recorded, Account]] = field(default_factory=dict)
    by_hand: Sweep = field(default_factory=Sweep)
    struck: Sweep = field(default_factory=Sweep)
    syncs: tuple[int, str] = (0, "")
    """On a slow disk: of how many a client waited at most, and for which message."""

    @property
    def is_kept(self) -> bool:
        """Was every promise kept?"""
        return not self.examples

    @property
    def examples(self) -> list[str]:
        """What was broken, some of it."""
        found = [
            f"{what}: {line}"
            for what, (recorded, account) in self.runs.items()
            for line in (*recorded.faults, *account.examples)
        ]
        if self.syncs[0] > SYNCS_MOST:
            found.append(f"on a slow disk, {self.syncs[1]} was safe after {self.syncs[0]} syncs only")
        return found + self.by_hand.examples + self.struck.examples

    def figures(self) -> dict[str, object]:
        """The counts."""
        runs = {
            what: {"events": len(recorded.events), **asdict(account)} for what, (recorded, account) in self.runs.items()
        }
        return {**runs, "disk faults": asdict(self.by_hand), "struck": asdict(self.struck), "syncs": self.syncs[0]}

    def told(self) -> str:
        """The counts, in a line."""
        said = [
            f"{what}: {account.states:,} states of {len(recorded.events):,} events, {account.recoveries:,} of them cut"
            f" again while recovering, {account.promises:,} promises looked at, {account.broken:,} states broken"
            for what, (recorded, account) in self.runs.items()
        ]
        faults, cuts = self.by_hand.faults + self.struck.faults, self.by_hand.cuts + self.struck.cuts
        said.append(
            f"{faults:,} faults of the disk, {self.struck.faults:,} of them under clients, cut {cuts:,} times,"
            f" {self.by_hand.broken + self.struck.broken:,} broken"
        )
        said.append(f"on a slow disk {self.syncs[0]} syncs for a confirm at most")
        return "; ".join(said)


def _try_all(folder: Path, options: argparse.Namespace) -> _Tried:
    tried = _Tried()
    progress = _Progress(sys.stderr if options.progress else None)
    count = options.operations or max(20, options.states // STATES_FOR_EACH)
    few, least = max(options.states // 4, 1), max(options.states // 20, 1)
    slow = {"sync_seconds": SLOW_SECONDS}
    plan: list[tuple[str, Callable[..., Recorded], int, int, dict[str, float]]] = [
        ("a broker", record, count, options.states, {}),
        ("a program", record_program, count, few, {}),
        ("programs on one file", record_programs, count, few, {}),
        ("a broker on a slow disk", record, min(count, SLOW_COUNT), least, slow),
        ("a program on a slow disk", record_program, min(count, SLOW_COUNT), least, slow),
    ]
    for number, (what, run, each, states, how) in enumerate(plan):
        place = folder / f"run-{number}"
        place.mkdir(mode=0o700)
        recorded = run(place, options.seed, each, **how)
        told = partial(progress.states, what, states)
        kept = folder / f"kept-{number}"
        tried.runs[what] = recorded, check(recorded, states, options.seed, folder / "cut", kept, told)
        if how:
            tried.syncs = max(tried.syncs, most_syncs(recorded))
    if options.every:
        tried.by_hand = sweep(folder / "swept", options.seed, options.every, progress.faults)
        tried.struck = strike(folder / "struck", options.seed, options.every, progress.faults)
    return tried


class _Progress:
    """How far it is, every some seconds; None: nobody wants to know."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self._began = self._last = time.monotonic()

    def states(self, what: str, wanted: int, account: Account) -> None:
        """So many were opened."""
        self._tell(f"{what}: {account.states:,} states of {wanted:,}, {account.broken:,} broken")

    def faults(self, account: Sweep) -> None:
        """The disk has failed so often."""
        self._tell(f"{account.faults:,} faults of the disk, {account.broken:,} broken")

    def _tell(self, text: str) -> None:
        now = time.monotonic()
        if self._out is not None and now > self._last + TELL_SECONDS:
            self._last = now
            print(f"power: {now - self._began:,.0f} s: {text}", file=self._out, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="proof.power", description=__doc__)
    parser.add_argument("--states", type=int, default=10_000, help="how many different states to open (10,000)")
    parser.add_argument(
        "--operations", type=int, default=0, help="how much each client does; by default for the states"
    )
    parser.add_argument(
        "--every", type=int, default=1, help="have the disk fail at one operation of so many (1); 0: at none"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what clients do, and of where the power is cut (1)")
    parser.add_argument("--folder", default="", help="a folder that is not there yet, which is kept")
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=sys.stderr.isatty(),
        help="say on stderr how far it is (on a terminal)",
    )
    parser.add_argument("--json", default="", metavar="FILE", help="write the counts there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
