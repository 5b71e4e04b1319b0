"""What every command and every answer between two processes on one file has."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

__all__ = ["Numbered", "WireMessage"]

WireMessage: TypeAlias = tuple[bytes, bytes, float]
"""Body, properties as AMQP 0-9-1 writes them, delay."""


class Numbered(msgspec.Struct, array_like=True, tag=True, gc=False):
    """A command or an answer."""

    number: int

    def take_number(self, number: int) -> None:
        """Commands are numbered in the order in which they are asked."""
        self.number = number
