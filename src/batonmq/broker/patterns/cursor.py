"""The position of the parser in a pattern, and the error that names it."""

from __future__ import annotations


class PatternError(ValueError):
    """Invalid pattern, or one that cannot be matched in bounded time; the text says where and why."""


class Cursor:
    """A position in a pattern, which advances as characters are taken."""

    __slots__ = ("_at", "_source")

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0

    @property
    def finished(self) -> bool:
        """Is it at the end?"""
        return self._at >= len(self._source)

    def wrong(self, what: str) -> PatternError:
        """An error that names the fault and the position."""
        return PatternError(f"{what} at position {self._at}")

    def peek(self) -> str:
        """Peek at the next character; "" at the end."""
        return self._source[self._at] if self._at < len(self._source) else ""

    def next(self) -> str:
        """Take the next character. Raises PatternError at the end."""
        if self.finished:
            raise self.wrong("it ends too early")
        self._at += 1
        return self._source[self._at - 1]

    def takes(self, text: str) -> bool:
        """Take this text if it comes next; returns whether it did."""
        if self._source.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def until(self, end: str) -> str:
        """Take the text up to ``end``, and ``end``. Raises PatternError if it does not come."""
        stop = self._source.find(end, self._at)
        if stop < 0:
            raise self.wrong(f"'{end}' is missing")
        text = self._source[self._at : stop]
        self._at = stop + len(end)
        return text

    def rest(self) -> str:
        """Peek at the rest."""
        return self._source[self._at :]

    def ahead(self, count: int) -> str:
        """Peek at the next ``count`` characters; fewer at the end."""
        return self._source[self._at : self._at + count]

    def skip(self, count: int) -> None:
        """Go on by ``count`` characters, not beyond the end; back if it is negative."""
        self._at = min(self._at + count, len(self._source))
