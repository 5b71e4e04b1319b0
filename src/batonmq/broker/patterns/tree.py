"""The nodes of a pattern's tree, classes of characters, and places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Test: TypeAlias = Callable[[str], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Character:
    """One character that passes a test."""

    test: Test


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One after the other."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Any of them."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """So often; ``most`` None: or more."""

    item: Node
    least: int
    most: int | None


@dataclass(frozen=True, slots=True, eq=False)
class At:
    """A place, told by the text and an index into it."""

    test: Callable[[str, int], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A place after which (or ``behind`` which) something matches, or does not."""

    item: Node
    behind: bool
    negated: bool


Node: TypeAlias = Character | Sequence | Choice | Repeat | At | Look


def is_word(character: str) -> bool:
    """A letter, a digit or an underscore."""
    return character.isalnum() or character == "_"


def is_horizontal_space(character: str) -> bool:
    return character in " \t\xa0"


CLASSES: dict[str, Test] = {"d": str.isdecimal, "w": is_word, "s": str.isspace, "h": is_horizontal_space}
POSIX: dict[str, Test] = {
    "alnum": str.isalnum,
    "alpha": str.isalpha,
    "ascii": str.isascii,
    "blank": is_horizontal_space,
    "digit": str.isdecimal,
    "lower": str.islower,
    "space": str.isspace,
    "upper": str.isupper,
    "word": is_word,
    "xdigit": lambda character: character in "0123456789abcdefABCDEF",
    "punct": lambda character: (
        character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    ),
}
CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
# The number of hexadecimal digits after \x, \u and \U.
CODES = {"x": 2, "u": 4, "U": 8}


def at_word(text: str, at: int) -> bool:
    before = at > 0 and is_word(text[at - 1])
    after = at < len(text) and is_word(text[at])
    return before is not after


def at_begin(_: str, at: int) -> bool:
    return at == 0


def at_end(text: str, at: int) -> bool:
    return at == len(text)


def at_last(text: str, at: int) -> bool:
    return at == len(text) or (at == len(text) - 1 and text[at] == "\n")


def at_line_begin(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] == "\n"


def at_line_end(text: str, at: int) -> bool:
    return at == len(text) or text[at] == "\n"


PLACES: dict[str, Callable[[str, int], bool]] = {
    "A": at_begin,
    "Z": at_last,
    "z": at_end,
    "b": at_word,
    "B": lambda text, at: not at_word(text, at),
}


def anything(_: str) -> bool:
    """Matches any character: "." with the flag s."""
    return True


def no_line_end(found: str) -> bool:
    """Matches any character but a line end: "." without the flag s."""
    return found != "\n"
