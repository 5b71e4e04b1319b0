"""Signs of life, both ways: when one is due, and when the client has been silent for too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.clock import Clock


class Heartbeats:
    """Those of one connection. The time is looked at a few times a second (`tick`), and not for each read."""

    __slots__ = ("_began", "_has_heard", "_has_said", "_heard", "_interval", "_said", "_silence_max")

    def __init__(self, clock: Clock) -> None:
        self._began = self._heard = self._said = clock.monotonic()
        self._has_heard = self._has_said = False
        self._interval = self._silence_max = 0.0

    def agree(self, *, silence_max: float, interval: float) -> None:
        """What client and server have agreed on, in seconds; 0: nothing is expected, nothing is sent.

        ``silence_max``: a client that was not heard for longer is taken for dead. ``interval``: when nothing was said
        for so long, a heartbeat is.
        """
        self._silence_max = silence_max
        self._interval = interval

    def begin(self, now: float) -> None:
        """Count from now on: what came before was not the client's to hasten."""
        self._heard = self._said = now

    def heard(self) -> None:
        """Something has come."""
        self._has_heard = True

    def said(self) -> None:
        """Something is sent."""
        self._has_said = True

    def tick(self, now: float, *, is_suspended: bool) -> None:
        """Look at the clock. While the session is suspended nobody reads what its client sends: that is no silence."""
        if self._has_heard or is_suspended:
            self._has_heard = False
            self._heard = now
        if self._has_said:
            self._has_said = False
            self._said = now

    def age(self, now: float) -> float:
        """For how many seconds the connection has been there."""
        return now - self._began

    def silence(self, now: float) -> float:
        """For how many seconds the client has been silent, if that is too long; otherwise 0."""
        silence = now - self._heard
        return silence if self._silence_max and silence > self._silence_max else 0.0

    def is_due(self, now: float) -> bool:
        """Is a heartbeat to be sent? When it is, it counts as sent."""
        if not self._interval or now - self._said < self._interval:
            return False
        self._said = now
        return True
