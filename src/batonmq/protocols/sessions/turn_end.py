"""The work that a session puts off until the server's turn ends, so that it is done once a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from batonmq.protocols.sessions.host import Host


class Waiting(Protocol):
    """A part with work for the end of the turn, such as confirming many messages in one frame."""

    def turn_ended(self) -> None:
        """Do the work. The output is taken after this."""


class TurnEnd:
    """The parts of one session that wait for the end of the turn."""

    __slots__ = ("_host", "_waiting")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._waiting: dict[Waiting, None] = {}

    def wait(self, waiting: Waiting) -> None:
        """Call this part once when the turn ends."""
        if not self._waiting:
            self._host.wake()
        self._waiting[waiting] = None

    def run(self) -> None:
        """Call all waiting parts: the turn ends."""
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            for each in waiting:
                each.turn_ended()

    def clear(self) -> None:
        """Remove all waiting parts."""
        self._waiting = {}
