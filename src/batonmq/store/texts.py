"""Names and keys in the file: texts, or bytes where they are not UTF-8, as AMQP 0-9-1's clients may send them.

SQLite's texts are UTF-8. Names decoded with surrogateescape are kept as their original bytes.
"""

from __future__ import annotations

import contextlib

__all__ = ["from_file", "to_file"]


def to_file(text: str) -> str | bytes:
    """A text in SQLite's form. Never fails, as a value that cannot be written would make every commit fail."""
    if text.isascii():
        return text
    with contextlib.suppress(UnicodeEncodeError):
        text.encode()
        return text
    with contextlib.suppress(UnicodeEncodeError):
        return text.encode(errors="surrogateescape")
    # A lone surrogate that does not stand for a byte: no protocol delivers one.
    return text.encode(errors="replace")


def from_file(value: str | bytes) -> str:
    """The text for a value from the file, the reverse of ``to_file``."""
    return value if isinstance(value, str) else value.decode(errors="surrogateescape")
