"""What stands behind an embedded engine: the broker in this process, or the process that has the file open.

Everything is begun here and waited for by the engine's two faces, one for threads and one for event loops.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from batonmq.engines.tickets import Ticket
from batonmq.engines.values import Incoming, Message, QueueOptions
from batonmq.errors import BatonError

__all__ = ["Backend", "How", "Receiving", "give_back"]

How = Literal["accept", "release", "reject"]


class Receiving(ABC):
    """One subscription. After ``close``, and when the queue is gone, nothing is held any more."""

    __slots__ = ()

    @abstractmethod
    def receive(self, most: int) -> Ticket[list[Incoming]]:
        """Ask for up to so many messages, as soon as there is one."""

    @abstractmethod
    def withdraw(self, ticket: Ticket[list[Incoming]]) -> None:
        """Nobody wants to wait any longer: the ticket is resolved soon, with an empty list or what has just come."""

    @abstractmethod
    def settle(self, incoming: Incoming, how: How, reason: str = "") -> None:
        """Raises LeaseLost when the message is not held here."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held."""


def give_back(receiving: Receiving, ticket: Ticket[list[Incoming]]) -> None:
    """Whoever waited was interrupted: what he would have got goes to others."""

    def release() -> None:
        if ticket.failed:
            return
        for incoming in reversed(ticket.result()):
            # Gone from here already when the receiver was closed meanwhile.
            with contextlib.suppress(BatonError):
                receiving.settle(incoming, "release")

    with contextlib.suppress(BatonError):
        receiving.withdraw(ticket)
    ticket.when_done(release)


class Backend(ABC):
    """See the module. Tickets fail with the errors that the engine's interface names."""

    @property
    @abstractmethod
    def native(self) -> object:
        """What an application may reach through."""

    @abstractmethod
    def declare(self, queue: str, options: QueueOptions) -> Ticket[None]:
        """Make a queue."""

    @abstractmethod
    def delete(self, queue: str) -> Ticket[None]:
        """Delete a queue."""

    @abstractmethod
    def send(self, queue: str, messages: Sequence[Message]) -> Ticket[None]:
        """Resolved when they are safe."""

    @abstractmethod
    def subscribe(self, queue: str, prefetch: int) -> Receiving:
        """Begin to take messages. Raises NotFound."""

    @abstractmethod
    def peek(self, queue: str, most: int) -> list[Message]:
        """The first ready messages."""

    @abstractmethod
    def count(self, queue: str) -> int:
        """How many are ready."""

    @abstractmethod
    def purge(self, queue: str) -> Ticket[int]:
        """Drop what is ready."""

    @abstractmethod
    def move_some(self, source: str, target: str, most: int) -> Ticket[int]:
        """Move ready messages, in one commit."""

    @abstractmethod
    def transact(
        self, sends: Sequence[tuple[str, Message]], accepts: Sequence[tuple[Receiving, Incoming]]
    ) -> Ticket[None]:
        """All or nothing."""

    @abstractmethod
    def request(self, queue: str, message: Message) -> Ticket[Message]:
        """Resolved with the reply. ``forget`` it when nobody waits any more."""

    @abstractmethod
    def forget(self, ticket: Ticket[Message]) -> None:
        """The reply is not wanted any more."""

    @abstractmethod
    def reply(self, request: Message, message: Message) -> Ticket[None]:
        """Answer a request."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held, and let go of the file. A second call does nothing."""
