"""What a session puts off until the server's turn ends, so that it is done once for all that the turn has brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from batonmq.protocols.sessions.host import Host


class Waiting(Protocol):
    """Somebody who has something to do then, such as to confirm many messages in one frame."""

    def turn_ended(self) -> None:
        """The output is about to be taken: what is put into it now is sent."""


class TurnEnd:
    """Those of one session that wait for the end of the turn."""

    __slots__ = ("_host", "_waiting")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._waiting: dict[Waiting, None] = {}

    def wait(self, waiting: Waiting) -> None:
        """Call this one, once."""
        if not self._waiting:
            self._host.wake()
        self._waiting[waiting] = None

    def run(self) -> None:
        """The turn ends."""
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            for each in waiting:
                each.turn_ended()

    def clear(self) -> None:
        """Nobody waits any more."""
        self._waiting = {}
