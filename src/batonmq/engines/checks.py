"""Arguments of the API: each of its type and in its range, or an error that names it and says what is expected.

A wrong type is a TypeError, a wrong value a ValueError. The texts of Python, brokers and libraries name neither the
argument nor its range.
"""

from __future__ import annotations

from collections.abc import Mapping

from batonmq.fields import MAX_DEPTH

__all__ = [
    "NUMBER_MAX",
    "SECONDS_MAX",
    "TEXT_MAX",
    "check_flag",
    "check_number",
    "check_queue",
    "check_seconds",
    "check_text",
    "check_unicode",
]

# The longest text property in bytes (AMQP 0-9-1 section 4.2.5.3).
TEXT_MAX = 255
SECONDS_MAX = 100 * 365 * 24 * 3600.0
"""The longest time: 100 years."""
NUMBER_MAX = 2**63 - 1
"""The largest integer that SQLite can store."""


def check_seconds(name: str, value: object, least: float = 0.0) -> float:
    """The value. Raises TypeError, and ValueError for a value out of range."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} is a number of seconds, not {_kind(value)}")
    if not least <= value <= SECONDS_MAX:
        raise ValueError(f"{name} is {least:g} seconds to 100 years: {value}")
    return float(value)


def check_number(name: str, value: object, least: int, most: int = NUMBER_MAX) -> int:
    """The value. Raises TypeError, and ValueError for a value out of range."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is a whole number, not {_kind(value)}")
    if not least <= value <= most:
        expected = f"{least} or more" if value < least and most == NUMBER_MAX else f"{least} to {most}"
        raise ValueError(f"{name} is {expected}: {value}")
    return value


def check_flag(name: str, value: object) -> None:
    """Raises TypeError."""
    if value is not True and value is not False:
        raise TypeError(f"{name} is True or False, not {_kind(value)}")


def check_text(name: str, value: object, most: int | None = TEXT_MAX) -> str:
    """The value. Raises TypeError, and ValueError for a text that is too long, or not valid Unicode."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {_kind(value)}")
    if not (value.isascii() and (most is None or len(value) <= most)):
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise ValueError(f"{name} is not Unicode text: {value[:64]!r}") from None
        if most is not None and size > most:
            raise ValueError(f"{name} has at most {most} bytes in UTF-8, not {size}: {value[:32]!r}...")
    return value


def check_unicode(name: str, value: object, depth: int = MAX_DEPTH) -> None:
    """Check all texts inside a header. Raises ValueError for a lone surrogate, which would come back as bytes."""
    if isinstance(value, str):
        if not value.isascii():
            check_text(name, value, None)
    elif depth and isinstance(value, Mapping):
        for key, each in value.items():
            check_unicode(name, key, 0)
            check_unicode(name, each, depth - 1)
    elif depth and isinstance(value, list | tuple):
        for each in value:
            check_unicode(name, each, depth - 1)


def check_queue(value: object, name: str = "a queue's name") -> None:
    """Raises TypeError, and ValueError for a name that no queue can have."""
    if isinstance(value, str) and 0 < len(value) <= TEXT_MAX and value.isascii() and value.isprintable():
        return
    text = check_text(name, value)
    if not text:
        raise ValueError(f"{name} is empty: a queue has a name")
    if "\n" in text or "\r" in text:
        # A broker of AMQP 0-9-1 leaves them out, and would mean another queue.
        raise ValueError(f"{name} has no line ends: {text!r:.64}")


def _kind(value: object) -> str:
    return f"{type(value).__name__}: {value!r:.64}" if value is not None else "None"
