"""The time that clients may use in one pass of the host's loop, each and all together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batonmq.clock import Clock

# How long a client may be served in one pass, in seconds; what one read brings of plain publishes takes 3 ms.
SHARE_SECONDS: Final = 0.005
# How long all clients together may be served. When that is used up, a client with a new request gets the least share:
# mostly it needs no more, and so does not wait behind clients with much work. A confirm waits for two turns: with twice
# the time, clients that asked for all they could had half of all confirms wait 23 ms, and not 13.
TURN_SECONDS: Final = 0.01
LEAST_SECONDS: Final = 0.0002
# The least share of clients that stand in line. Each share costs a write and a pass of the loop.
IN_LINE_SECONDS: Final = 0.0005


class Share:
    """A client's share of one pass."""

    __slots__ = ("_clock", "_ends", "began")

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self.began = clock.monotonic()
        self._ends = self.began + seconds

    def is_used(self) -> bool:
        """Whether the share is used up."""
        return self._clock.monotonic() >= self._ends


class TurnTime:
    """The time that is left in this pass for all clients together."""

    __slots__ = ("_clock", "in_line", "left")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.left = TURN_SECONDS
        """The time left in seconds; negative if somebody exceeded the share."""
        self.in_line = 0
        """How many clients have more work."""

    def begin(self) -> None:
        """Start another pass with the full time."""
        self.left = TURN_SECONDS

    def share(self) -> Share:
        """Start a client's share now: 0.2 to 5 ms, less when many clients have more work."""
        seconds = SHARE_SECONDS
        if self.in_line > 1:
            # As many clients as possible are served in a pass, so that nobody in the line waits for long.
            seconds = min(seconds, max(IN_LINE_SECONDS, TURN_SECONDS / self.in_line))
        return Share(self._clock, min(seconds, max(LEAST_SECONDS, self.left)))

    def spend(self, share: Share) -> None:
        """Subtract the time that the client has used."""
        self.left -= self._clock.monotonic() - share.began

    def spend_since(self, began: float, left: float) -> None:
        """Subtract the time since ``began``, when ``left`` was left, without counting time spent in between twice."""
        self.left = left - (self._clock.monotonic() - began)

    def line_up(self, count: int) -> None:
        """Set how many clients have more work."""
        self.in_line = count
