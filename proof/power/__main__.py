"""``python -m proof.power``: one run of a broker, and as many losses of power in it as are asked for."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from proof.power.faults import Sweep, sweep
from proof.power.states import Account, check, record

KEPT, BROKEN, CANNOT, INTERRUPTED = 0, 1, 2, 130
# A run of so many operations of each client has enough to be cut so often.
STATES_FOR_EACH = 100
TELL_SECONDS = 10.0
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
        (folder / "run").mkdir(parents=True)
        count = options.operations or max(20, options.states // STATES_FOR_EACH)
        recorded = record(folder / "run", options.seed, count)
        told = _Progress(options.states) if options.progress else None
        account = check(
            recorded, options.states, options.seed, folder / "cut", folder / "kept", *((told.states,) if told else ())
        )
        swept = Sweep()
        if options.every:
            swept = sweep(folder / "swept", options.seed, options.every, *((told.faults,) if told else ()))
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        print(f"power: {error}", file=sys.stderr)
        return CANNOT
    is_kept = not account.broken and not recorded.faults and not swept.broken
    for line in recorded.faults + account.examples + swept.examples:
        print(line)
    if options.json:
        figures = {
            "seed": options.seed,
            "events": len(recorded.events),
            "states": account.states,
            "recoveries": account.recoveries,
            "promises": account.promises,
            "broken": account.broken,
            "faults": swept.faults,
            "faults_cut": swept.cuts,
            "faults_broken": swept.broken,
            "seconds": round(time.monotonic() - begin, 1),
        }
        Path(options.json).write_text(json.dumps(figures) + "\n")
    print(
        f"power: {account.states:,} states of {len(recorded.events):,} events (seed {options.seed}),"
        f" {account.recoveries:,} of them cut again while recovering, {account.promises:,} promises looked at,"
        f" {account.broken:,} states broken; {swept.faults:,} faults of the disk, cut {swept.cuts:,} times,"
        f" {swept.broken:,} broken: {'ok' if is_kept else f'BROKEN, kept in {folder}'}"
    )
    if is_kept and not options.folder:
        shutil.rmtree(folder)
    return KEPT if is_kept else BROKEN


class _Progress:
    """How far it is, on stderr, every some seconds."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._began = self._last = time.monotonic()

    def states(self, account: Account) -> None:
        """So many were opened."""
        self._tell(f"{account.states:,} states of {self._wanted:,}, {account.broken:,} broken")

    def faults(self, account: Sweep) -> None:
        """The disk has failed so often."""
        self._tell(f"{account.faults:,} faults of the disk, {account.broken:,} broken")

    def _tell(self, text: str) -> None:
        now = time.monotonic()
        if now > self._last + TELL_SECONDS:
            self._last = now
            print(f"power: {now - self._began:,.0f} s: {text}", file=sys.stderr, flush=True)


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
