"""Single characters of a pattern: escapes, and classes in brackets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.patterns.tree import CLASSES, CODES, CONTROLS, POSIX, Character, Test

if TYPE_CHECKING:
    from batonmq.broker.patterns.cursor import Cursor


def in_case(test: Test, *, ignored: bool) -> Test:
    """The test itself, or one that tries a character in both cases."""
    if not ignored:
        return test
    return lambda found: test(found) or test(found.lower()) or test(found.upper())


def is_octal(cursor: Cursor, sign: str) -> bool:
    """Are three digits a character's code, and not a group number?"""
    digits = sign + cursor.ahead(2)
    return len(digits) == 3 and digits[0] in "0123" and all(digit in "01234567" for digit in digits)


def class_of(sign: str) -> Test | None:
    """The class of characters that \\d and the like stand for."""
    test = CLASSES.get(sign.lower())
    if test is None or sign.islower():
        return test
    return lambda found: not test(found)


def escaped(cursor: Cursor, sign: str) -> str:
    """The character that an escape stands for. Raises PatternError for an invalid one."""
    if sign in CONTROLS:
        return CONTROLS[sign]
    if sign in "01234567":
        digits = sign
        while len(digits) < 3 and cursor.peek() and cursor.peek() in "01234567":
            digits += cursor.next()
        return chr(int(digits, 8))
    if sign in CODES:
        if sign == "x" and cursor.takes("{"):
            digits = cursor.until("}")
        else:
            digits = cursor.ahead(CODES[sign])
            cursor.skip(CODES[sign])
            if len(digits) < CODES[sign]:
                raise cursor.wrong("a code is cut off")
        try:
            return chr(int(digits, 16))
        except (ValueError, OverflowError):
            raise cursor.wrong(f"{digits!r} is no code of a character") from None
    if sign.isascii() and sign.isalnum():
        raise cursor.wrong(f"\\{sign} is not known")
    return sign


def read_class(cursor: Cursor, *, ignores_case: bool) -> Character:
    """Parse a class after its '['. Raises PatternError."""
    negated = cursor.takes("^")
    single: set[str] = set()
    spans: list[tuple[str, str]] = []
    tests: list[Test] = []
    is_first = True
    while is_first or cursor.peek() != "]":
        is_first = False
        low = _member(cursor, tests)
        if low is None:
            continue
        if cursor.peek() == "-" and cursor.ahead(2) not in ("-]", "-"):
            cursor.skip(1)
            high = _member(cursor, tests)
            if high is None or high < low:
                raise cursor.wrong("a range that has no end, or goes backwards")
            spans.append((low, high))
        else:
            single.add(low)
    cursor.skip(1)

    def test(found: str) -> bool:
        return (
            found in single or any(low <= found <= high for low, high in spans) or any(other(found) for other in tests)
        )

    cased = in_case(test, ignored=ignores_case)
    return Character((lambda found: not cased(found)) if negated else cased)


def _member(cursor: Cursor, tests: list[Test]) -> str | None:
    """A character of the class; None for a nested class, which is added to the tests."""
    character = cursor.next()
    if character == "[" and cursor.takes(":"):
        negated = cursor.takes("^")
        name = cursor.until(":]")
        if name not in POSIX:
            raise cursor.wrong(f"[:{name}:] is not known")
        known = POSIX[name]
        tests.append((lambda found: not known(found)) if negated else known)
        return None
    if character != "\\":
        return character
    sign = cursor.next()
    test = class_of(sign)
    if test is not None:
        tests.append(test)
        return None
    return "\b" if sign == "b" else escaped(cursor, sign)
