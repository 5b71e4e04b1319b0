"""Names and keys in the file: texts, or bytes where they are not UTF-8, as AMQP 0-9-1's clients may send them.

SQLite's texts are UTF-8. What was decoded with surrogateescape is kept as the bytes that it was.
"""

from __future__ import annotations

import contextlib

__all__ = ["from_file", "to_file"]


def to_file(text: str) -> str | bytes:
    """As SQLite takes it. Never fails: what cannot be written would hold up everybody's commit."""
    if text.isascii():
        return text
    with contextlib.suppress(UnicodeEncodeError):
        text.encode()
        return text
    with contextlib.suppress(UnicodeEncodeError):
        return text.encode(errors="surrogateescape")
    # Half a pair of surrogates, which never was bytes: no protocol brings it.
    return text.encode(errors="replace")


def from_file(value: str | bytes) -> str:
    """And back."""
    return value if isinstance(value, str) else value.decode(errors="surrogateescape")
