"""The syntax of patterns: what Perl, PCRE and Python have in common, as a tree.

Left out is what only backtracking can match: backreferences, conditions, recursion, atomic groups and possessive
repeats. Errors say so, and where.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from batonmq.broker.patterns.tree import (
    CLASSES,
    CODES,
    CONTROLS,
    PLACES,
    POSIX,
    At,
    Character,
    Choice,
    Look,
    Node,
    Repeat,
    Sequence,
    Test,
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


class PatternError(ValueError):
    """No pattern, or one that cannot be matched in bounded time; the text says where and why."""


@dataclass(frozen=True, slots=True)
class _Flags:
    ignores_case: bool = False
    multiline: bool = False
    dot_all: bool = False
    verbose: bool = False


FLAGS = {"i": "ignores_case", "m": "multiline", "s": "dot_all", "x": "verbose"}
# Flags that change nothing here.
IDLE_FLAGS = "uU"


def parse(source: str) -> Node:
    """Understand a pattern. Raises PatternError."""
    if len(source) > LENGTH_MAX:
        raise PatternError(f"it has {len(source)} characters, more than {LENGTH_MAX}")
    parser = _Parser(source)
    node = parser.choice(_Flags(), 0)
    if not parser.finished:
        raise parser.wrong("a ')' that closes nothing")
    return node


class _Parser:
    """Recursive descent, a method a rule."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        # A flag in the middle of a group counts to the group's end.
        self._flags = _Flags()

    @property
    def finished(self) -> bool:
        return self._at >= len(self._source)

    def wrong(self, what: str) -> PatternError:
        return PatternError(f"{what} at position {self._at}")

    def _peek(self) -> str:
        return self._source[self._at] if self._at < len(self._source) else ""

    def _next(self) -> str:
        if self.finished:
            raise self.wrong("it ends too early")
        self._at += 1
        return self._source[self._at - 1]

    def _takes(self, text: str) -> bool:
        if self._source.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _until(self, end: str) -> str:
        stop = self._source.find(end, self._at)
        if stop < 0:
            raise self.wrong(f"'{end}' is missing")
        text = self._source[self._at : stop]
        self._at = stop + len(end)
        return text

    # ------------------------------------------------------------------ structure

    def choice(self, flags: _Flags, depth: int) -> Node:
        """Up to the end, or to the ')' that closes the group."""
        if depth > DEPTH_MAX:
            raise self.wrong(f"groups are nested deeper than {DEPTH_MAX}")
        self._flags = flags
        branches = [self._sequence(depth)]
        while self._takes("|"):
            branches.append(self._sequence(depth))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _sequence(self, depth: int) -> Node:
        items: list[Node] = []
        while not self.finished and self._peek() not in "|)":
            if self._flags.verbose and self._skips():
                continue
            if self._takes("(?#"):
                self._until(")")
                continue
            if self._takes("\\Q"):
                quoted = self._source[self._at :].partition("\\E")[0]
                self._at = min(self._at + len(quoted) + 2, len(self._source))
                items += [self._literal(character) for character in quoted]
                continue
            item = self._atom(depth)
            if item is not None:
                items.append(self._repeated(item))
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _skips(self) -> bool:
        if self._peek().isspace():
            self._at += 1
            return True
        if self._peek() == "#":
            stop = self._source.find("\n", self._at)
            self._at = len(self._source) if stop < 0 else stop + 1
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
            raise self.wrong(f"more than {REPEAT_MAX} repeats")
        if most is not None and most < least:
            raise self.wrong("at most is less than at least")
        if self._takes("+"):
            raise self.wrong("possessive repeats cannot be matched in bounded time")
        # Whether it takes as much as it can or as little does not matter to whether it matches.
        self._takes("?")
        if self._peek() in ("*", "+", "?") or self._bounds() is not None:
            raise self.wrong("a repeat of a repeat; put the first in a group")
        return Repeat(item, least, most)

    def _bounds(self) -> tuple[int, int | None] | None:
        """How often; None when no repeat stands here."""
        if self._takes("*"):
            return 0, None
        if self._takes("+"):
            return 1, None
        if self._takes("?"):
            return 0, 1
        if self._peek() != "{":
            return None
        inner, closes, _ = self._source[self._at + 1 : self._at + 20].partition("}")
        low, has_comma, high = inner.partition(",")
        if (
            not closes
            or not (low or high)
            or not all(part == "" or (part.isascii() and part.isdigit()) for part in (low, high))
        ):
            return None  # a brace like any other character
        self._at += len(inner) + 2
        least = int(low or 0)
        return least, least if not has_comma else int(high) if high else None

    # ------------------------------------------------------------------ atoms

    def _atom(self, depth: int) -> Node | None:
        """None: flags, which change what follows."""
        flags = self._flags
        character = self._next()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return self._class()
        if character == ".":
            return Character(anything if flags.dot_all else no_line_end)
        if character == "^":
            return At(at_line_begin if flags.multiline else at_begin)
        if character == "$":
            return At(at_line_end if flags.multiline else at_last)
        if character == "\\":
            return self._escape()
        if character in "*+?":
            self._at -= 1
            raise self.wrong("nothing to repeat")
        return self._literal(character)

    def _literal(self, character: str) -> Character:
        return Character(self._cased(lambda found: found == character))

    def _cased(self, test: Test) -> Test:
        if not self._flags.ignores_case:
            return test
        return lambda found: test(found) or test(found.lower()) or test(found.upper())

    def _group(self, depth: int) -> Node | None:
        outer = self._flags
        if not self._takes("?"):
            if self._peek() == "*":
                raise self.wrong("verbs are not known here")
            return self._closed(outer, outer, depth)
        for sign, behind, negated in (("=", False, False), ("!", False, True), ("<=", True, False), ("<!", True, True)):
            if self._takes(sign):
                return Look(self._closed(outer, outer, depth), behind, negated)
        for begin, end in (("P<", ">"), ("<", ">"), ("'", "'")):
            if self._takes(begin):
                if not self._until(end).isidentifier():
                    raise self.wrong("the name of a group is no name")
                return self._closed(outer, outer, depth)
        if self._takes(":"):
            return self._closed(outer, outer, depth)
        for sign, what in ((">", "atomic groups"), ("(", "conditions"), ("P=", "backreferences")):
            if self._takes(sign):
                raise self.wrong(f"{what} cannot be matched in bounded time")
        flags = self._read_flags(outer)
        if self._takes(":"):
            return self._closed(flags, outer, depth)
        if not self._takes(")"):
            raise self.wrong("a group of an unknown kind")
        self._flags = flags
        return None

    def _read_flags(self, flags: _Flags) -> _Flags:
        is_on = True
        while (sign := self._peek()) and (sign in FLAGS or sign in IDLE_FLAGS or sign == "-"):
            self._at += 1
            if sign == "-":
                is_on = False
            elif sign in FLAGS:
                flags = replace(flags, **{FLAGS[sign]: is_on})
        return flags

    def _closed(self, inner: _Flags, outer: _Flags, depth: int) -> Node:
        node = self.choice(inner, depth + 1)
        if not self._takes(")"):
            raise self.wrong("')' is missing")
        self._flags = outer
        return node

    def _escape(self) -> Node:
        sign = self._next()
        if sign in PLACES:
            return At(PLACES[sign])
        if sign in "123456789gk" and not self._is_octal(sign):
            raise self.wrong("backreferences cannot be matched in bounded time")
        test = self._class_of(sign)
        return Character(test) if test is not None else self._literal(self._escaped(sign))

    def _is_octal(self, sign: str) -> bool:
        """Three digits that make a character's code, and no number of a group?"""
        digits = sign + self._source[self._at : self._at + 2]
        return len(digits) == 3 and digits[0] in "0123" and all(digit in "01234567" for digit in digits)

    @staticmethod
    def _class_of(sign: str) -> Test | None:
        """The class of characters that \\d and the like stand for."""
        test = CLASSES.get(sign.lower())
        if test is None or sign.islower():
            return test
        return lambda found: not test(found)

    def _escaped(self, sign: str) -> str:
        """The character that an escape stands for."""
        if sign in CONTROLS:
            return CONTROLS[sign]
        if sign in "01234567":
            digits = sign
            while len(digits) < 3 and self._peek() and self._peek() in "01234567":
                digits += self._next()
            return chr(int(digits, 8))
        if sign in CODES:
            if sign == "x" and self._takes("{"):
                digits = self._until("}")
            else:
                digits = self._source[self._at : self._at + CODES[sign]]
                self._at += CODES[sign]
                if len(digits) < CODES[sign]:
                    raise self.wrong("a code is cut off")
            try:
                return chr(int(digits, 16))
            except (ValueError, OverflowError):
                raise self.wrong(f"{digits!r} is no code of a character") from None
        if sign.isascii() and sign.isalnum():
            raise self.wrong(f"\\{sign} is not known")
        return sign

    # ------------------------------------------------------------------ classes

    def _class(self) -> Character:
        negated = self._takes("^")
        single: set[str] = set()
        spans: list[tuple[str, str]] = []
        tests: list[Test] = []
        is_first = True
        while is_first or self._peek() != "]":
            is_first = False
            low = self._member(tests)
            if low is None:
                continue
            if self._peek() == "-" and self._source[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                high = self._member(tests)
                if high is None or high < low:
                    raise self.wrong("a range that has no end, or goes backwards")
                spans.append((low, high))
            else:
                single.add(low)
        self._at += 1

        def test(found: str) -> bool:
            return (
                found in single
                or any(low <= found <= high for low, high in spans)
                or any(other(found) for other in tests)
            )

        cased = self._cased(test)
        return Character((lambda found: not cased(found)) if negated else cased)

    def _member(self, tests: list[Test]) -> str | None:
        """A character of the class; None for a class in it, which goes to the tests."""
        character = self._next()
        if character == "[" and self._takes(":"):
            negated = self._takes("^")
            name = self._until(":]")
            if name not in POSIX:
                raise self.wrong(f"[:{name}:] is not known")
            known = POSIX[name]
            tests.append((lambda found: not known(found)) if negated else known)
            return None
        if character != "\\":
            return character
        sign = self._next()
        test = self._class_of(sign)
        if test is not None:
            tests.append(test)
            return None
        return "\b" if sign == "b" else self._escaped(sign)
