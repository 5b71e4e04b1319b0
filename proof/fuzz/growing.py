"""The corpus grown: of inputs that were made up, those that come to lines of the product that no kept one comes to.

Which lines an input comes to, the interpreter tells; that takes too long for each input. So candidates are the shortest
inputs that came to something of their own, and of these the shortest are kept first, as long as each adds a line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import batonmq
from proof.fuzz.corpus import keep, kept
from proof.fuzz.mutation import Mutator
from proof.fuzz.target import Target
from proof.fuzz.trying import Trial

__all__ = ["grow"]

CANDIDATES = 100
# What is kept of one target has to be replayed with each run of the tests, and lies in the repository.
MOST_KEPT = 24
MOST_OCTETS = 1500
_SOURCES = str(Path(batonmq.__file__).parent)


class _Lines:
    """Which lines of the product run while it is entered, one after another."""

    def __init__(self) -> None:
        self.found: set[tuple[CodeType, int, int]] = set()

    def __enter__(self) -> None:
        sys.settrace(self._call)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, _event: str, _argument: object) -> Any:  # noqa: ANN401 (as the interpreter has it)
        code = frame.f_code
        if not code.co_filename.startswith(_SOURCES):
            return None
        before = 0

        def line(here: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401
            nonlocal before
            if event == "line":
                self.found.add((code, before, here.f_lineno))
                before = here.f_lineno
            return line

        return line


def grow(target: Target, seconds: float, seed: str) -> int:
    """Make inputs for so many seconds of the processor; tells how many are kept from now on."""
    trial = Trial(target)
    corpus = kept(target)
    mutator = Mutator(target, corpus, f"{seed} {target.name}")
    shortest: dict[Hashable, bytes] = {}
    until = time.process_time() + seconds
    with trial.watching():
        while time.process_time() < until:
            made = mutator.next()
            try:
                outcome = trial.take(made)
            except Exception:  # noqa: BLE001 (that is for a run to tell, and for a test to hold)
                continue
            mutator.became(made, outcome)
            if len(made) <= MOST_OCTETS and len(made) < len(shortest.get(outcome, bytes(MOST_OCTETS + 1))):
                shortest[outcome] = made
        return keep(target, _adding(trial, corpus, sorted(shortest.values(), key=len)[:CANDIDATES]))


def _adding(trial: Trial, corpus: list[bytes], candidates: list[bytes]) -> list[bytes]:
    """Those that come to lines that the ones before do not."""
    known: set[tuple[CodeType, int, int]] = set()
    for data in corpus:
        known |= _lines_of(trial, data)
    found: list[bytes] = []
    for data in candidates:
        lines = _lines_of(trial, data)
        if len(found) < MOST_KEPT and not lines <= known:
            known |= lines
            found.append(data)
    return found


def _lines_of(trial: Trial, data: bytes) -> set[tuple[CodeType, int, int]]:
    lines = _Lines()
    with lines:
        trial.fault_of(data)
    return lines.found
