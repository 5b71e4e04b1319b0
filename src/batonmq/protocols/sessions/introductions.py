"""What a client says of itself is kept for as long as it is connected: it is cut to a size that harms nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue

# Octets of one client's properties, roughly, and how deep tables may stand in each other. Clients say some 500.
PROPERTIES_OCTETS: Final = 8 << 10
DEPTH_MAX: Final = 8
TEXT_MAX: Final = 1_000
# What an entry takes beside its name and value.
ENTRY_OCTETS: Final = 64


def bounded(properties: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    """As much of the properties as may be kept: long texts are cut, and what is too much is left out."""
    return _Cut().table(properties, 0)


def bounded_text(text: str) -> str:
    """As much of a text as may be kept."""
    return text[:TEXT_MAX]


class _Cut:
    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = PROPERTIES_OCTETS

    def table(self, table: Mapping[str, FieldValue], depth: int) -> dict[str, FieldValue]:
        kept: dict[str, FieldValue] = {}
        for name, value in table.items():
            self._left -= ENTRY_OCTETS + len(name)
            if self._left < 0:
                break
            kept[name] = self._value(value, depth + 1)
        return kept

    def _value(self, value: FieldValue, depth: int) -> FieldValue:
        if isinstance(value, dict):
            return self.table(value, depth) if depth < DEPTH_MAX else {}
        if isinstance(value, list):
            return self._list(value, depth)
        if isinstance(value, str | bytes):
            cut = value[: min(TEXT_MAX, max(self._left, 0))]
            self._left -= len(cut)
            return cut
        return value

    def _list(self, values: list[FieldValue], depth: int) -> list[FieldValue]:
        kept: list[FieldValue] = []
        for value in values if depth < DEPTH_MAX else ():
            self._left -= ENTRY_OCTETS
            if self._left < 0:
                break
            kept.append(self._value(value, depth + 1))
        return kept
