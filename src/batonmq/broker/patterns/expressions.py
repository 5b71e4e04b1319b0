"""Regular expressions that users write, in policies and permissions, matched in time that is linear in the name.

``re`` backtracks: ``^(a+)+$`` takes it years for a name of 40 letters, which would block everybody. Here a pattern is
an automaton, and a name is read once, with the set of all possible states. The sets that have occurred are cached with
their transitions, so that the next name costs one dictionary lookup per character: 2 us for 20. The worst case within
the bounds of a pattern is about 0.1 s for the longest name.

Look-ahead and look-behind, as in ``^(?!amq\\.)``, work in the same way: one pass from the end of a name finds the
places from which it matches on, one from its beginning the places up to which it matches. The result is a bit for each
place, which the automaton tests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from batonmq.broker.patterns.syntax import PatternError, parse
from batonmq.broker.patterns.tree import At, Character, Choice, Look, Node, Repeat, Sequence

__all__ = ["Pattern", "PatternError", "compile_pattern"]

# How large a pattern may become once its repeats are written out.
SIZE_MAX = 4_000
# How many states all remembered sets together may have.
REMEMBERED_MAX = 50_000

ACCEPT = 0


class Pattern:
    """A regular expression that is searched in names in bounded time. Created by ``compile_pattern``."""

    __slots__ = ("_automaton", "_places", "source")

    def __init__(self, source: str) -> None:
        """Raises PatternError."""
        self.source = source
        # The conditions on places, inner ones first.
        self._places: list[Callable[[str, list[int]], list[bool]]] = []
        self._automaton = _Automaton(parse(source), self._places, backwards=False)

    @property
    def size(self) -> int:
        """The number of its parts, with repeats written out: matching one character may cost about 1 us for each."""
        return self._automaton.size

    def found_in(self, text: str) -> bool:
        """Does any part of the text match? Like ``re.search``."""
        bits = [0] * (len(text) + 1)
        for number, place in enumerate(self._places):
            bit = 1 << number
            for index, holds in enumerate(place(text, bits)):
                if holds:
                    bits[index] |= bit
        return self._automaton.finds(text, bits)

    def __repr__(self) -> str:
        return f"<Pattern {self.source!r}>"


@lru_cache(maxsize=1024)
def compile_pattern(source: str) -> Pattern:
    """Compile a pattern; recent ones are cached. Raises PatternError."""
    return Pattern(source)


class _Set:
    """A set of states of an automaton, and its transitions by character (with the bits of the place)."""

    __slots__ = ("accepts", "following", "states")

    def __init__(self, states: frozenset[int]) -> None:
        self.states = states
        self.accepts = ACCEPT in states
        self.following: dict[str | tuple[str, int], _Set] = {}


class _Automaton:
    """A nondeterministic automaton: states that take a character, or branch, or test the place."""

    __slots__ = ("_asks", "_begin", "_next", "_places", "_remembered", "_sets", "_tests", "backwards", "size")

    def __init__(self, node: Node, places: list[Callable[[str, list[int]], list[bool]]], *, backwards: bool) -> None:
        self.backwards = backwards
        self._places = places
        # For each state: the test of a character (None: it takes none), the bit that must be set, the next states.
        self._tests: list[Callable[[str], bool] | None] = [None]
        self._asks: list[int] = [0]
        self._next: list[tuple[int, ...]] = [()]
        self.size = 0
        self._sets: dict[frozenset[int], _Set] = {}
        self._remembered = 0
        self._begin = self._build(node, ACCEPT)

    # ------------------------------------------------------------------ making it

    def _state(self, following: tuple[int, ...], *, test: Callable[[str], bool] | None = None, asks: int = 0) -> int:
        self._tests.append(test)
        self._asks.append(asks)
        self._next.append(following)
        return len(self._next) - 1

    def _build(self, node: Node, following: int) -> int:
        """Build the states of a node, which lead to the state ``following``; returns the first."""
        self.size += 1
        if self.size > SIZE_MAX:
            raise PatternError(f"it is too large: with its repeats written out more than {SIZE_MAX} parts")
        match node:
            case Character(test):
                return self._state((following,), test=test)
            case Sequence(items):
                for item in items if self.backwards else reversed(items):
                    following = self._build(item, following)
                return following
            case Choice(items):
                return self._state(tuple(self._build(item, following) for item in items))
            case Repeat(item, least, most):
                return self._build_repeat(item, least, most, following)
            case At(test=at):
                bit = self._ask(lambda text, _: [at(text, index) for index in range(len(text) + 1)])
                return self._state((following,), asks=bit)
            case Look(item, behind, negated):
                # Look-behind is decided going forwards, look-ahead going backwards.
                automaton = _Automaton(item, self._places, backwards=not behind)
                self.size += automaton.size
                bit = self._ask(lambda text, bits: automaton.places(text, bits, negated))
                return self._state((following,), asks=bit)

    def _build_repeat(self, item: Node, least: int, most: int | None, following: int) -> int:
        end = following
        if most is None:
            loop = self._state(())
            self._next[loop] = (self._build(item, loop), end)
            following = loop
        else:
            for _ in range(most - least):
                following = self._state((self._build(item, following), end))
        for _ in range(least):
            following = self._build(item, following)
        return following

    def _ask(self, place: Callable[[str, list[int]], list[bool]]) -> int:
        self._places.append(place)
        return 1 << (len(self._places) - 1)

    # ------------------------------------------------------------------ running it

    def finds(self, text: str, bits: list[int]) -> bool:
        """Is there a match anywhere?"""
        current = self._closure((), bits[0])
        for index, character in enumerate(text, 1):
            if current.accepts:
                return True
            current = self._step(current, character, bits[index])
        return current.accepts

    def places(self, text: str, bits: list[int], negated: bool) -> list[bool]:
        """For each place, whether a match ends there; seen from the end, if the automaton goes backwards."""
        if self.backwards:
            text, bits = text[::-1], bits[::-1]
        current = self._closure((), bits[0])
        found = [current.accepts is not negated]
        for index, character in enumerate(text, 1):
            current = self._step(current, character, bits[index])
            found.append(current.accepts is not negated)
        return found[::-1] if self.backwards else found

    def _step(self, current: _Set, character: str, bits: int) -> _Set:
        key = (character, bits) if bits else character
        following = current.following.get(key)
        if following is None:
            reached = []
            for state in current.states:
                test = self._tests[state]
                if test is not None and test(character):
                    reached.append(self._next[state][0])
            following = current.following[key] = self._closure(reached, bits)
            self._remembered += 1
        return following

    def _closure(self, reached: list[int] | tuple[()], bits: int) -> _Set:
        """The states that are reached without a character; a match may begin anywhere."""
        ahead = [self._begin, *reached]
        seen = set(ahead)
        while ahead:
            state = ahead.pop()
            if self._tests[state] is None and self._asks[state] & bits == self._asks[state]:
                for other in self._next[state]:
                    if other not in seen:
                        seen.add(other)
                        ahead.append(other)
        states = frozenset(state for state in seen if state == ACCEPT or self._tests[state] is not None)
        known = self._sets.get(states)
        if known is None:
            self._remembered += len(states)
            if self._remembered > REMEMBERED_MAX:
                self._sets.clear()
                self._remembered = len(states)
            known = self._sets[states] = _Set(states)
        return known
