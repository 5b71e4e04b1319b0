"""`python -m proof.armed POINT[:N[~MS]] ... COMMAND ...`: runs the command, and kills it at a point.

    python -m proof.armed commit.done:20 serve --data ./data        the 20th time that a commit is done
    python -m proof.armed commit.ready:20~2 serve --data ./data     within 2 ms after it is about to be: while it is

The points are those of `batonmq.points`. Several may be given: the first one that is due kills. ``--note FILE`` before
them appends to a file which one it was; ``--passes FILE`` counts in a file how often each point was passed. Programs
call ``arm_kills``.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from batonmq.points import POINTS, arm
from proof.passes import Passes

__all__ = ["Strike", "all_of", "arm_kills", "main", "parse"]


@dataclass(frozen=True, slots=True)
class Strike:
    """Where a process is killed: the `number`th time at a point, or up to so many milliseconds after."""

    point: str
    number: int = 1
    within: float = 0.0

    def __str__(self) -> str:
        later = f"~{self.within:g}" if self.within else ""
        return f"{self.point}:{self.number}{later}"


def parse(text: str) -> Strike:
    """Raises ValueError for what names no point or has another form."""
    rest, _, within = text.partition("~")
    point, _, number = rest.partition(":")
    if point not in POINTS:
        raise ValueError(f"{point!r} is none of the points of batonmq.points")
    strike = Strike(point, int(number or 1), float(within or 0))
    if strike.number < 1 or strike.within < 0:
        raise ValueError(f"{text!r}: points are counted from 1, and time goes forward")
    return strike


def arm_kills(strikes: Sequence[Strike], note: Path | None = None, passes: Path | None = None) -> None:
    """This process is killed (SIGKILL) at the first of them that is due; ``note`` is told which it was.

    ``passes``: the file of `Passes`, which counts every point then.
    """
    counted = Passes(passes) if passes is not None else None
    killers = {strike.point: _Killer(strike, note) for strike in strikes}
    for point in POINTS if counted is not None else killers:
        actions = [] if counted is None else [counted.counting(point)]
        if point in killers:
            actions.append(killers[point].strike)
        arm(point, all_of(actions))


def all_of(actions: Sequence[Callable[[], object]]) -> Callable[[], None]:
    """One after the other."""

    def act() -> None:
        for action in actions:
            action()

    return act


class _Killer:
    def __init__(self, strike: Strike, note: Path | None) -> None:
        self._strike = strike
        self._note = note
        # Its next() is one step for all threads.
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def strike(self) -> None:
        """Only the first thread that comes here in time kills; the others, or this one, may go on until then."""
        if next(self._numbers) < self._strike.number or not self._lock.acquire(blocking=False):
            return
        if self._strike.within:
            threading.Thread(target=self._kill_later, daemon=True).start()
        else:
            self._kill()

    def _kill_later(self) -> None:
        time.sleep(random.uniform(0.0, self._strike.within) / 1000)
        self._kill()

    def _kill(self) -> None:
        if self._note is not None:
            with self._note.open("a") as note:
                note.write(f"{self._strike.point} {os.getpid()}\n")
        os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command, which ends the process; 2 where the points are not understood."""
    rest = list(sys.argv[1:] if arguments is None else arguments)
    note: Path | None = None
    passes: Path | None = None
    while rest[:1] in (["--note"], ["--passes"]):
        if rest[0] == "--note":
            note = Path(rest[1])
        else:
            passes = Path(rest[1])
        del rest[:2]
    strikes: list[Strike] = []
    try:
        while rest and "." in rest[0]:
            strikes.append(parse(rest.pop(0)))
    except ValueError as error:
        print(f"armed: {error}", file=sys.stderr)
        return 2
    from batonmq.cli import main as command

    arm_kills(strikes, note, passes)
    command(rest, prog_name="batonmq")
    return 0


if __name__ == "__main__":
    sys.exit(main())
