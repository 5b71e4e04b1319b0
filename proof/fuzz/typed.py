"""Values of the types that a decoder asks for: mostly right, with what stands at the edges; sometimes anything else."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from proof.fuzz.choices import Choices

__all__ = ["TEXTS", "Known", "Typed", "deep_json", "deep_pack"]

Known = Mapping[object, tuple[object, ...]]
"""What values of a type are likely to be."""

TEXTS: Final = ("q", "rich", "dead", "new", "", "é", "x" * 256, "accept", "NotFound", "a\0b", "*", "ValueError")
FLOATS: Final = (0.0, 0.001, 1.0, 60.0, -1.0, 1e9, 1e300, float("nan"), float("inf"), float("-inf"), 5e-324, 1.5)
OCTETS: Final = (b"", b"body", b"\x00\x00", b"\x10\x00\x02", b"\xff" * 4, bytes(1000))
DEPTHS: Final = (2, 50, 600, 3000)


def deep_pack(depth: int) -> msgspec.Raw:
    """Arrays within arrays, in MessagePack."""
    return msgspec.Raw(b"\x91" * depth + b"\x01")


def deep_json(depth: int) -> msgspec.Raw:
    """Arrays within arrays, in JSON."""
    return msgspec.Raw(b"[" * depth + b"]" * depth)


class Typed:
    """Makes values out of an input, as msgspec's encoders take them."""

    def __init__(self, choices: Choices, known: Known, deep: Callable[[int], msgspec.Raw], *, wild: int = 60) -> None:
        """One of ``wild`` values is of any other type."""
        self._choices = choices
        self._known = known
        self._deep = deep
        self._wild = wild

    def anything(self, depth: int = 0) -> object:
        """A value of any type."""
        choices = self._choices
        kind = choices.below(10 if depth < 3 else 7)
        if kind == 0:
            return None
        if kind == 1:
            return choices.chance(2)
        if kind in (2, 3):
            return self._number()
        if kind == 4:
            return choices.one_of(FLOATS)
        if kind in (5, 6):
            return choices.one_of(TEXTS)
        if kind == 7:
            return [self.anything(depth + 1) for _ in range(choices.below(4))]
        if kind == 8:
            return {choices.one_of(TEXTS): self.anything(depth + 1) for _ in range(choices.below(3))}
        return self._deep(choices.one_of(DEPTHS))

    def of(self, kind: object, depth: int = 0) -> object:
        """A value of this type, mostly."""
        choices = self._choices
        if choices.chance(self._wild):
            return self.anything(depth)
        try:
            if kind in self._known:
                return choices.one_of(self._known[kind])
        except TypeError:
            # A type that cannot be looked up is none of those.
            pass
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated:
            return self.of(arguments[0], depth)
        if origin in (types.UnionType, typing.Union):
            return self.of(choices.one_of(arguments), depth)
        if origin is typing.Literal:
            return choices.one_of(arguments)
        if origin is list:
            return [self.of(arguments[0], depth + 1) for _ in range(choices.below(4))]
        if origin is dict:
            return {choices.one_of(TEXTS): self.of(arguments[1], depth + 1) for _ in range(choices.below(3))}
        if origin is tuple:
            return [self.of(one, depth + 1) for one in arguments]
        if isinstance(kind, type) and (dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct)):
            found = typing.get_type_hints(kind, include_extras=True)
            return {name: self.of(one, depth + 1) for name, one in found.items() if choices.chance(4)}
        return self._plain(kind, depth)

    def _plain(self, kind: object, depth: int) -> object:
        choices = self._choices
        if kind is bool:
            return choices.chance(2)
        if kind is int:
            return self._number()
        if kind is float:
            return choices.one_of(FLOATS)
        if kind is str:
            return choices.one_of(TEXTS)
        if kind is bytes:
            return choices.one_of(OCTETS) if choices.chance(2) else choices.octets(choices.below(20))
        return None if kind in (None, type(None)) else self.anything(depth)

    def _number(self) -> int:
        choices = self._choices
        number = choices.number(8)
        return -number if choices.chance(8) and number <= 1 << 63 else number
