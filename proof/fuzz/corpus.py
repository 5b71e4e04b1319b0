"""The inputs that are kept: what once broke something, and what comes to something that little else comes to.

One file for each target, one input a line, written as Python writes bytes; ``#`` begins a line that says something.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from proof.fuzz.target import Target

FOLDER = Path(__file__).parent / "corpus"


def path_of(target: Target) -> Path:
    """Where the inputs of a target are."""
    return FOLDER / f"{target.name}.txt"


def kept(target: Target) -> list[bytes]:
    """The target's seeds, and what is kept for it."""
    found = list(target.seeds)
    path = path_of(target)
    if path.exists():
        lines = path.read_text(encoding="ascii").splitlines()
        found += [ast.literal_eval(line) for line in lines if line and not line.startswith("#")]
    return found


def keep(target: Target, inputs: Iterable[bytes]) -> int:
    """Add what is not there yet; tells how many."""
    known = set(kept(target))
    new = [made for made in dict.fromkeys(inputs) if made not in known]
    if new:
        with path_of(target).open("a", encoding="ascii") as file:
            file.writelines(f"{made!r}\n" for made in new)
    return len(new)
