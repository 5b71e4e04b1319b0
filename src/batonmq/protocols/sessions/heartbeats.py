"""Signs of life, both ways: when one is due, and when the client has been silent for too long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batonmq.clock import Clock
    from batonmq.protocols.sessions.host import Host

OFTEN: Final = 0.25
"""How often the time is checked, in seconds, when something is due soon."""
SELDOM: Final = 2.0
"""How often it is checked at least.

Ten thousand idle connections took a seventh of a core when each was checked often.
"""
PART: Final = 1 / 8
"""A silence may exceed its limit by this fraction before it is noticed."""


def pace(*late: float) -> float:
    """How often to check the time, in seconds, given how late things may be noticed; 0: never due."""
    return min(SELDOM, max(OFTEN, min((each for each in late if each), default=SELDOM)))


class Heartbeats:
    """The heartbeats of one connection. The time is checked regularly (`tick`), not for each read."""

    __slots__ = ("_began", "_has_heard", "_has_said", "_heard", "_host", "_interval", "_said", "_silence_max", "pace")

    def __init__(self, clock: Clock, host: Host) -> None:
        self._host = host
        self._began = self._heard = self._said = clock.monotonic()
        self._has_heard = self._has_said = False
        self._interval = self._silence_max = 0.0
        self.pace = SELDOM
        """How often to check the time, in seconds."""

    def await_log_in(self, patience: float) -> None:
        """Until they are agreed on, only the end of the handshake's time in seconds has to be noticed."""
        self.pace = pace(PART * patience)

    def agree(self, *, silence_max: float, interval: float, late: float) -> None:
        """Set the negotiated values, in seconds; 0: no heartbeats are expected, or sent.

        ``silence_max``: a client that has been silent for longer is taken for dead. ``interval``: a heartbeat is sent
        when nothing else was sent for so long, and comes in time if it is no later than ``late``.
        """
        self._silence_max = silence_max
        self._interval = interval
        self.pace = pace(PART * silence_max, late / 2)
        self._host.tick_soon()

    def begin(self, now: float) -> None:
        """Count from now on, as the client had to wait for the broker until now."""
        self._heard = self._said = now

    def heard(self) -> None:
        """Note that something was received."""
        self._has_heard = True

    def said(self) -> None:
        """Note that something is sent."""
        self._has_said = True

    def tick(self, now: float, *, is_suspended: bool) -> None:
        """Note the time. A suspended session does not read from the client, which then does not count as silent."""
        if self._has_heard or is_suspended:
            self._has_heard = False
            self._heard = now
        if self._has_said:
            self._has_said = False
            self._said = now

    def age(self, now: float) -> float:
        """The age of the connection in seconds."""
        return now - self._began

    def silence(self, now: float) -> float:
        """How long the client has been silent, in seconds, if that is too long; otherwise 0."""
        silence = now - self._heard
        return silence if self._silence_max and silence > self._silence_max else 0.0

    def is_due(self, now: float) -> bool:
        """Is a heartbeat due? If so, it counts as sent."""
        if not self._interval or now - self._said < self._interval:
            return False
        self._said = now
        return True
