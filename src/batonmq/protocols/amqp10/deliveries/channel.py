"""The output of one session: frames on its channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.amqp10.codec.encoder import frame

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.performatives import Performative
    from batonmq.protocols.sessions.output import Output


class Channel:
    """One direction of a session; ``number`` is the same for both, as we choose the client's."""

    __slots__ = ("is_open", "number", "output")

    def __init__(self, number: int, output: Output) -> None:
        self.number = number
        self.output = output
        self.is_open = True
        """False once our end was sent: nothing may follow it (part 2 §2.5.5)."""

    def say(self, performative: Performative) -> None:
        """Send a performative at the end of the turn."""
        if self.is_open:
            self.output.send(frame(self.number, performative))

    def say_behind(self, performative: Performative) -> None:
        """Send a performative after all other output of the turn, and after an answer that waits for the store."""
        if self.is_open:
            self.output.send_behind(frame(self.number, performative))

    def close(self) -> None:
        """Send nothing more on it."""
        self.is_open = False
