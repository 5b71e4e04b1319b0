"""What is fuzzed: a function that takes any bytes, and raises only when a promise is broken."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

Take = Callable[[bytes], Hashable]
"""Takes one input, and tells what became of it, in as few words as tell it from others; whatever it raises is a fault
of ours. It keeps nothing from one input to the next that the next could notice."""


class Broken(AssertionError):
    """A promise that was not kept, though nothing was raised."""


@dataclass(frozen=True, slots=True)
class Target:
    """One of the things that are fuzzed."""

    name: str
    """PROTOCOL.WHAT"""
    about: str
    """What it holds, in one line."""
    make: Callable[[], Take]
    """Makes what takes the inputs, once for each process."""
    seeds: tuple[bytes, ...] = ()
    """Good input, which is a beginning; the corpus has more."""
    words: tuple[bytes, ...] = ()
    """What means something where it stands in an input."""
    longest: int = 1024
    """How many bytes an input has at most."""
    is_session: bool = False
    """Does an input go to a whole session, over a broker?"""
    may_log: bool = False
    """May it have an error logged that says what is wrong with it? A traceback never."""

    @property
    def protocol(self) -> str:
        """What its inputs are counted for."""
        return self.name.partition(".")[0]


def ensure(kept: object, what: str) -> None:
    """Raises Broken with these words if a promise is not kept."""
    if not kept:
        raise Broken(what)
