"""What every command and every answer between two processes on one file has."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from batonmq.engines.checks import NUMBER_MAX, SECONDS_MAX

__all__ = ["Number", "Numbered", "Positive", "Seconds", "Share", "WireMessage"]

Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
"""What the store can keep."""
Positive: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]
"""A number that is not nothing: of messages that are asked for, of a process."""
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=SECONDS_MAX)]
"""A time that a clock can be set to."""
Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
"""How much of a whole."""
WireMessage: TypeAlias = tuple[bytes, bytes, Seconds]
"""Body, properties as AMQP 0-9-1 writes them, delay."""


class Numbered(msgspec.Struct, array_like=True, tag=True, gc=False):
    """A command or an answer."""

    number: Number

    def take_number(self, number: int) -> None:
        """Commands are numbered in the order in which they are asked."""
        self.number = number
