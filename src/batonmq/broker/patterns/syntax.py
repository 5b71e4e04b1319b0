"""The syntax of patterns: the common part of Perl, PCRE and Python, parsed to a tree.

Constructs that only backtracking can match are left out: backreferences, conditions, recursion, atomic groups and
possessive repeats. Errors say so, and where.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from batonmq.broker.patterns.characters import class_of, escaped, in_case, is_octal, read_class
from batonmq.broker.patterns.cursor import Cursor, PatternError
from batonmq.broker.patterns.tree import (
    PLACES,
    At,
    Character,
    Choice,
    Look,
    Node,
    Repeat,
    Sequence,
    anything,
    at_begin,
    at_last,
    at_line_begin,
    at_line_end,
    no_line_end,
)

__all__ = ["PatternError", "parse"]

LENGTH_MAX = 8_192
DEPTH_MAX = 50
REPEAT_MAX = 1_000


@dataclass(frozen=True, slots=True)
class _Flags:
    ignores_case: bool = False
    multiline: bool = False
    dot_all: bool = False
    verbose: bool = False


FLAGS = {"i": "ignores_case", "m": "multiline", "s": "dot_all", "x": "verbose"}
# Flags without effect here.
IDLE_FLAGS = "uU"


def parse(source: str) -> Node:
    """Parse a pattern. Raises PatternError."""
    if len(source) > LENGTH_MAX:
        raise PatternError(f"it has {len(source)} characters, more than {LENGTH_MAX}")
    cursor = Cursor(source)
    node = _Parser(cursor).choice(_Flags(), 0)
    if not cursor.finished:
        raise cursor.wrong("a ')' that closes nothing")
    return node


class _Parser:
    """A recursive descent parser, with one method per rule."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        # A flag in the middle of a group applies to the group's end.
        self._flags = _Flags()

    # ------------------------------------------------------------------ structure

    def choice(self, flags: _Flags, depth: int) -> Node:
        """Up to the end, or to the ')' that closes the group."""
        if depth > DEPTH_MAX:
            raise self._cursor.wrong(f"groups are nested deeper than {DEPTH_MAX}")
        self._flags = flags
        branches = [self._sequence(depth)]
        while self._cursor.takes("|"):
            branches.append(self._sequence(depth))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _sequence(self, depth: int) -> Node:
        items: list[Node] = []
        while not self._cursor.finished and self._cursor.peek() not in "|)":
            if self._flags.verbose and self._skips():
                continue
            if self._cursor.takes("(?#"):
                self._cursor.until(")")
                continue
            if self._cursor.takes("\\Q"):
                quoted = self._cursor.rest().partition("\\E")[0]
                self._cursor.skip(len(quoted) + 2)
                items += [self._literal(character) for character in quoted]
                continue
            item = self._atom(depth)
            if item is not None:
                items.append(self._repeated(item))
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _skips(self) -> bool:
        if self._cursor.peek().isspace():
            self._cursor.skip(1)
            return True
        if self._cursor.peek() == "#":
            self._cursor.skip(len(self._cursor.rest().partition("\n")[0]) + 1)
            return True
        return False

    def _repeated(self, item: Node) -> Node:
        while self._flags.verbose and self._skips():
            pass
        bounds = self._bounds()
        if bounds is None:
            return item
        least, most = bounds
        if max(least, most or 0) > REPEAT_MAX:
            raise self._cursor.wrong(f"more than {REPEAT_MAX} repeats")
        if most is not None and most < least:
            raise self._cursor.wrong("at most is less than at least")
        if self._cursor.takes("+"):
            raise self._cursor.wrong("possessive repeats cannot be matched in bounded time")
        # Whether it takes as much as it can or as little does not matter to whether it matches.
        self._cursor.takes("?")
        if self._cursor.peek() in ("*", "+", "?") or self._bounds() is not None:
            raise self._cursor.wrong("a repeat of a repeat; put the first in a group")
        return Repeat(item, least, most)

    def _bounds(self) -> tuple[int, int | None] | None:
        """The bounds of a repeat; None: there is no repeat here."""
        if self._cursor.takes("*"):
            return 0, None
        if self._cursor.takes("+"):
            return 1, None
        if self._cursor.takes("?"):
            return 0, 1
        if self._cursor.peek() != "{":
            return None
        inner, closes, _ = self._cursor.ahead(20)[1:].partition("}")
        low, has_comma, high = inner.partition(",")
        if (
            not closes
            or not (low or high)
            or not all(part == "" or (part.isascii() and part.isdigit()) for part in (low, high))
        ):
            return None  # a brace like any other character
        self._cursor.skip(len(inner) + 2)
        least = int(low or 0)
        return least, least if not has_comma else int(high) if high else None

    # ------------------------------------------------------------------ atoms

    def _atom(self, depth: int) -> Node | None:
        """None: flags, which change what follows."""
        flags = self._flags
        character = self._cursor.next()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return read_class(self._cursor, ignores_case=self._flags.ignores_case)
        if character == ".":
            return Character(anything if flags.dot_all else no_line_end)
        if character == "^":
            return At(at_line_begin if flags.multiline else at_begin)
        if character == "$":
            return At(at_line_end if flags.multiline else at_last)
        if character == "\\":
            return self._escape()
        if character in "*+?":
            self._cursor.skip(-1)
            raise self._cursor.wrong("nothing to repeat")
        return self._literal(character)

    def _literal(self, character: str) -> Character:
        return Character(in_case(lambda found: found == character, ignored=self._flags.ignores_case))

    def _group(self, depth: int) -> Node | None:
        outer = self._flags
        if not self._cursor.takes("?"):
            if self._cursor.peek() == "*":
                raise self._cursor.wrong("verbs are not known here")
            return self._closed(outer, outer, depth)
        for sign, behind, negated in (("=", False, False), ("!", False, True), ("<=", True, False), ("<!", True, True)):
            if self._cursor.takes(sign):
                return Look(self._closed(outer, outer, depth), behind, negated)
        for begin, end in (("P<", ">"), ("<", ">"), ("'", "'")):
            if self._cursor.takes(begin):
                if not self._cursor.until(end).isidentifier():
                    raise self._cursor.wrong("the name of a group is no name")
                return self._closed(outer, outer, depth)
        if self._cursor.takes(":"):
            return self._closed(outer, outer, depth)
        for sign, what in ((">", "atomic groups"), ("(", "conditions"), ("P=", "backreferences")):
            if self._cursor.takes(sign):
                raise self._cursor.wrong(f"{what} cannot be matched in bounded time")
        flags = self._read_flags(outer)
        if self._cursor.takes(":"):
            return self._closed(flags, outer, depth)
        if not self._cursor.takes(")"):
            raise self._cursor.wrong("a group of an unknown kind")
        self._flags = flags
        return None

    def _read_flags(self, flags: _Flags) -> _Flags:
        is_on = True
        while (sign := self._cursor.peek()) and (sign in FLAGS or sign in IDLE_FLAGS or sign == "-"):
            self._cursor.skip(1)
            if sign == "-":
                is_on = False
            elif sign in FLAGS:
                flags = replace(flags, **{FLAGS[sign]: is_on})
        return flags

    def _closed(self, inner: _Flags, outer: _Flags, depth: int) -> Node:
        node = self.choice(inner, depth + 1)
        if not self._cursor.takes(")"):
            raise self._cursor.wrong("')' is missing")
        self._flags = outer
        return node

    def _escape(self) -> Node:
        sign = self._cursor.next()
        if sign in PLACES:
            return At(PLACES[sign])
        if sign in "123456789gk" and not is_octal(self._cursor, sign):
            raise self._cursor.wrong("backreferences cannot be matched in bounded time")
        test = class_of(sign)
        return Character(test) if test is not None else self._literal(escaped(self._cursor, sign))
