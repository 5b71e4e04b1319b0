"""The common parts of commands and answers between processes that share a file."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from batonmq.engines.checks import NUMBER_MAX, SECONDS_MAX

__all__ = ["Number", "Numbered", "Positive", "Seconds", "Share", "WireMessage"]

Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
"""A number that the store can hold."""
Positive: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]
"""A number above 0: of requested messages, of a process."""
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=SECONDS_MAX)]
"""A time in seconds, up to 100 years."""
Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
"""A fraction of a whole, 0 to 1."""
WireMessage: TypeAlias = tuple[bytes, bytes, Seconds]
"""Body, properties as AMQP 0-9-1 writes them, delay."""


class Numbered(msgspec.Struct, array_like=True, tag=True, gc=False):
    """A command or an answer."""

    number: Number

    def take_number(self, number: int) -> None:
        """Set the number. Commands are numbered in the order in which they are sent."""
        self.number = number
