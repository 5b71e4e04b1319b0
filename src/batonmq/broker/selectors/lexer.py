"""The words of a selector: names, literals, operators and keywords (JMS 2.0 §3.8.1.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

from batonmq.errors import BrokerError

__all__ = ["NAME", "NUMBER", "SYMBOL", "TEXT", "SelectorError", "Token", "tokens"]

NAME = "name"
NUMBER = "number"
TEXT = "text"
SYMBOL = "symbol"

KEYWORDS = frozenset({"AND", "OR", "NOT", "BETWEEN", "LIKE", "ESCAPE", "IN", "IS", "NULL", "TRUE", "FALSE"})

# Exact numbers as Java writes them (decimal, 0x1F, 017, with L), and approximate ones (7., -95.7E2, with d or f).
_NUMBER = r"""(?:
    (?P<hex>0[xX][0-9a-fA-F]+)[lL]?
  | (?P<float>(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)[dDfF]?
  | (?P<approximate>[0-9]+)[dDfF]
  | (?P<integer>[0-9]+)[lL]?
)(?![\w$])"""
# A Java identifier, where dots count as letters: names of headers have them.
_NAME = r"(?P<name>[^\W\d][\w$.]*|\$[\w$.]*)"
_HYPHENATED_NAME = r"(?P<name>(?:[^\W\d]|\$)[\w$.]*(?:-[\w$.]+)*)"
_REST = r"""
  | '(?P<text>(?:[^']|'')*)'
  | "(?P<quoted>[^"]+)"
  | (?P<symbol><=|>=|<>|[=<>()+\-*/%,])
"""
_PLAIN = re.compile(f"{_NUMBER}|{_NAME}{_REST}", re.VERBOSE)
_HYPHENATED = re.compile(f"{_NUMBER}|{_HYPHENATED_NAME}{_REST}", re.VERBOSE)
_SPACE = re.compile(r"\s*")


class SelectorError(BrokerError):
    """The text is not a valid selector; the message says where and why."""


class Token(NamedTuple):
    """A word: ``text`` is how it is written (keywords in capitals), ``value`` what a literal stands for."""

    kind: str
    text: str
    value: int | float | str
    at: int


def tokens(source: str, *, hyphenated: bool) -> list[Token]:
    """The words of a selector; the last one is an empty symbol. Raises SelectorError for invalid text."""
    pattern = _HYPHENATED if hyphenated else _PLAIN
    found: list[Token] = []
    at = _end_of_space(source, 0)
    while at < len(source):
        match = pattern.match(source, at)
        if match is None:
            what = "a string without an end" if source[at] in "'\"" else f"{source[at : at + 10]!r} is no word of it"
            raise SelectorError(f"bad selector at character {at + 1}: {what}")
        found.append(_token(match))
        at = _end_of_space(source, match.end())
    found.append(Token(SYMBOL, "", "", len(source)))
    return found


def _end_of_space(source: str, at: int) -> int:
    match = _SPACE.match(source, at)
    return match.end() if match is not None else at


def _token(match: re.Match[str]) -> Token:
    text, at = match[0], match.start()
    kind = match.lastgroup
    if kind == "name":
        word = text.upper()
        return Token(SYMBOL, word, word, at) if word in KEYWORDS else Token(NAME, text, text, at)
    if kind == "quoted":
        return Token(NAME, match["quoted"], text, at)
    if kind == "text":
        return Token(TEXT, text, match["text"].replace("''", "'"), at)
    if kind == "symbol":
        return Token(SYMBOL, text, text, at)
    return Token(NUMBER, text, _number(match, str(kind)), at)


def _number(match: re.Match[str], kind: str) -> int | float:
    digits = match[kind]
    if len(digits) > 400:
        raise SelectorError(f"bad selector at character {match.start() + 1}: a number of {len(digits)} digits")
    if kind == "hex":
        return int(digits, 16)
    if kind in ("float", "approximate"):
        return float(digits)
    if len(digits) > 1 and digits[0] == "0":
        try:
            return int(digits, 8)
        except ValueError:
            raise SelectorError(f"bad selector at character {match.start() + 1}: {digits} is not octal") from None
    return int(digits)
