"""What a client has asked for and is not done yet, so that no client's requests fill the memory or hold up the others.

A session does what comes at once, and leaves the rest for later

    while it is suspended, because it waits for the store (``CommitGate``) or for a log-in;
    when what it has to say fills the output, until that has been taken;
    when its share of a turn is used up, until the others have had theirs.

Few requests of some bytes each may bring about gigabytes of answers, or seconds of work. And many clients may ask for
much at the same time: what all of them together get of one turn is bounded, too (``TurnTime``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from batonmq.clock import Clock

# Requests wait while so many bytes of output have not been taken.
OUTPUT_MAX: Final = 1 << 20
# How long a client may be served in one turn, in seconds; what one read brings of plain publishes takes 3 ms.
SHARE_SECONDS: Final = 0.01
# And all of them together. When that is used up, a client that comes with something new gets the least share: mostly it
# wants no more than that, and need not stand in line behind those who want much.
TURN_SECONDS: Final = 0.02
LEAST_SECONDS: Final = 0.0002
# What those who stand in line get at least, of which each costs a write and a pass of the loop.
IN_LINE_SECONDS: Final = 0.0005
# The clock is looked at after so many requests that are mostly quick, and after each of the others.
QUICK: Final = 8

_Event = TypeVar("_Event")


class Working(Protocol[_Event]):
    """A protocol's session, as its backlog sees it."""

    suspended: bool

    def process(self, events: list[_Event], share: Share) -> int:
        """Do what these ask for; tells how many are done. To stop when suspended, or when the share is used up."""


class Share:
    """A client's share of one turn."""

    __slots__ = ("_clock", "_ends", "began")

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self.began = clock.monotonic()
        self._ends = self.began + seconds

    def is_used(self) -> bool:
        """Is it the turn of the others?"""
        return self._clock.monotonic() >= self._ends


class TurnTime:
    """What is left of one turn for all clients together."""

    __slots__ = ("_clock", "in_line", "left")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.left = TURN_SECONDS
        """Seconds; below 0 when somebody took more than his share."""
        self.in_line = 0
        """How many clients are known to want more."""

    def begin(self) -> None:
        """Another turn."""
        self.left = TURN_SECONDS

    def share(self) -> Share:
        """For one client, now."""
        seconds = SHARE_SECONDS
        if self.in_line > 1:
            # As many as possible are served in a turn, so that nobody waits for long who stands behind the others.
            seconds = min(seconds, max(IN_LINE_SECONDS, TURN_SECONDS / self.in_line))
        return Share(self._clock, min(seconds, max(LEAST_SECONDS, self.left)))

    def spend(self, share: Share) -> None:
        """The client is done, or has used its share up."""
        self.left -= self._clock.monotonic() - share.began


class Backlog(Generic[_Event]):
    """One for each session."""

    __slots__ = ("_events", "_turn")

    def __init__(self, turn: TurnTime) -> None:
        # Not the session, which has this: a session that has ended is to be free without a search for circles.
        self._turn = turn
        self._events: list[_Event] = []

    def __bool__(self) -> bool:
        return bool(self._events)

    def take(self, session: Working[_Event], events: list[_Event]) -> None:
        """These have come: have the session do what can be done of them now."""
        if self._events or session.suspended:
            self._events += events
        else:
            self._work(session, events)

    def put_off(self, events: list[_Event]) -> None:
        """These have come, to be done when the session goes on."""
        self._events += events

    def go_on(self, session: Working[_Event]) -> None:
        """Have the session do more of what waits."""
        if self._events and not session.suspended:
            events, self._events = self._events, []
            self._work(session, events)

    def clear(self) -> None:
        """Nothing of it counts any more."""
        self._events = []

    def _work(self, session: Working[_Event], events: list[_Event]) -> None:
        share = self._turn.share()
        try:
            done = session.process(events, share)
        finally:
            self._turn.spend(share)
        if done < len(events):
            # Before what has come meanwhile.
            self._events = events[done:] + self._events
