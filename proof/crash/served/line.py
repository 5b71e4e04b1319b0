"""One connection of a client, whatever its protocol: what a producer and a consumer need of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["HUNG", "Hangs", "Line", "Lost", "Message", "RolledBackError", "Taken"]

HUNG = 40.0
"""Seconds without an answer after which a client counts as hanging: far more than the slowest machine needs."""


class Lost(Exception):
    """The connection is lost."""


class Hangs(Exception):
    """The broker is connected and answers nothing."""


class RolledBackError(Exception):
    """The broker has refused the commit."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent."""

    id: str
    target: str
    """A queue; or an exchange, with `fanout`."""
    body: bytes
    headers: Mapping[str, str | int] = field(default_factory=dict)
    persistent: bool = True
    priority: int = 0
    fanout: bool = False


class Taken(NamedTuple):
    """A delivery, by the number under which its connection knows it."""

    number: int
    id: str
    redelivered: bool
    returns: int | None
    """None where the protocol does not tell."""


class Line(ABC):
    """A connection. Every method raises Lost when it is over, and Hangs when no answer comes."""

    promises_settlements = True
    """Whether `sync` makes the broker promise what was settled, outside of a transaction."""
    can_begin = True
    """Whether it can have transactions."""

    @abstractmethod
    def send(self, message: Message) -> None:
        """Send it, in the transaction if one was begun."""

    @abstractmethod
    def confirm(self) -> set[str]:
        """Wait until all that was sent outside of a transaction is promised; the ids of what was refused."""

    @abstractmethod
    def consume(self, queue: str, prefetch: int) -> None:
        """Take what comes there."""

    @abstractmethod
    def take(self, wait: float) -> Taken | None:
        """The next delivery; None after so many seconds without."""

    @abstractmethod
    def settle(self, numbers: Sequence[int], how: str) -> None:
        """Settle deliveries, in the transaction if one was begun; `how` is one of `ways`."""

    @property
    @abstractmethod
    def ways(self) -> tuple[str, ...]:
        """How this protocol can give back."""

    @abstractmethod
    def sync(self) -> None:
        """Wait until all settlements outside of a transaction are promised."""

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction."""

    @abstractmethod
    def commit(self) -> None:
        """Wait until it is promised. Raises RolledBackError."""

    @abstractmethod
    def roll_back(self) -> None:
        """Undo it."""

    @abstractmethod
    def close(self) -> str:
        """End it, and raise nothing: why that was not answered by the broker, or nothing if it was."""
