"""LIKE: ``_`` is any character, ``%`` any text; what follows the escape character stands for itself.

A pattern is taken as the pieces between its ``%``. The first stands at the text's beginning and the last at its end;
each of the others is looked for once, from left to right. A piece with ``_`` in its middle is looked for at all places
at once, as bits of one number. So the longest pattern and the longest header take 0.2 s at worst, where a backtracking
expression would take hours, and what people write takes a few microseconds.
"""

from __future__ import annotations

from batonmq.broker.selectors.lexer import SelectorError

__all__ = ["Like"]

# With this few comparisons left, the remaining candidates are checked one by one.
FEW = 20_000


class Like:
    """A pattern. Raises SelectorError."""

    __slots__ = ("_first", "_last", "_middle")

    def __init__(self, pattern: str, escape: str) -> None:
        if escape and len(escape) != 1:
            raise SelectorError(f"bad selector: ESCAPE takes one character, not {escape!r}")
        pieces: list[list[str]] = [[]]
        is_escaped = False
        for character in pattern:
            if is_escaped or character not in (escape, "%", "_"):
                pieces[-1].append(character)
                is_escaped = False
            elif character == escape:
                is_escaped = True
            elif character == "%":
                pieces.append([])
            else:
                pieces[-1].append("")
        if is_escaped:
            raise SelectorError(f"bad selector: nothing follows the escape character in LIKE {pattern!r}")
        self._first, *middle = [_Piece(piece) for piece in pieces]
        self._last = middle.pop() if middle else None
        self._middle = [piece for piece in middle if piece.length]

    def fits(self, text: str) -> bool:
        """Does the whole text match?"""
        first, last = self._first, self._last
        if last is None:
            return len(text) == first.length and first.stands(text, 0)
        at, end = first.length, len(text) - last.length
        if at > end or not first.stands(text, 0) or not last.stands(text, end):
            return False
        places = _Places(text)
        for piece in self._middle:
            at = piece.find(places, at, end)
            if at < 0:
                return False
            at += piece.length
        return True


class _Piece:
    """Characters and gaps of one, as runs of characters, each with its offset."""

    __slots__ = ("length", "runs")

    def __init__(self, parts: list[str]) -> None:
        """``parts``: characters, "" for a gap."""
        self.length = len(parts)
        runs: list[tuple[int, list[str]]] = []
        for offset, character in enumerate(parts):
            if character and offset and parts[offset - 1]:
                runs[-1][1].append(character)
            elif character:
                runs.append((offset, [character]))
        self.runs = [(offset, "".join(characters)) for offset, characters in runs]

    def stands(self, text: str, at: int) -> bool:
        """Does the piece match at this place?"""
        return all(text.startswith(run, at + offset) for offset, run in self.runs)

    def find(self, places: _Places, at: int, end: int) -> int:
        """Its first occurrence from ``at`` on, entirely before ``end``; -1: none."""
        last = end - self.length
        if last < at:
            return -1
        if not self.runs:
            return at
        offset, run = self.runs[0]
        if len(self.runs) == 1:
            found = places.text.find(run, at + offset, last + offset + len(run))
            return found - offset if found >= 0 else -1
        left = (1 << (last - at + 1)) - 1 << at
        for offset, run in self.runs:
            for number, character in enumerate(run, offset):
                left &= places.of(character) >> number
                if left.bit_count() * len(self.runs) <= FEW:
                    return self._first_of(left, places.text)
        return _lowest(left)

    def _first_of(self, left: int, text: str) -> int:
        while left:
            at = _lowest(left)
            if self.stands(text, at):
                return at
            left &= left - 1
        return -1


class _Places:
    """A text, and for each character that was asked for where it stands, as bits of a number."""

    __slots__ = ("_known", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._known: dict[str, int] = {}

    def of(self, character: str) -> int:
        known = self._known.get(character)
        if known is None:
            known = self._known[character] = self._look(character)
        return known

    def _look(self, character: str) -> int:
        text = self.text
        try:
            octets = text[::-1].encode("latin-1")
            code = character.encode("latin-1")[0]
        except UnicodeEncodeError:
            bits = bytearray(len(text) // 8 + 1)
            at = text.find(character)
            while at >= 0:
                bits[at >> 3] |= 1 << (at & 7)
                at = text.find(character, at + 1)
            return int.from_bytes(bits, "little")
        # All places at once, as the digits of a number.
        return int(octets.translate(b"0" * code + b"1" + b"0" * (255 - code)), 2)


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1
