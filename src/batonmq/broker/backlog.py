"""What a client has asked for and is not done yet, so that no client's requests fill the memory or hold up the others.

A session does what comes at once, and leaves the rest for later

    while it is suspended, because it waits for the store (``CommitGate``) or for a log-in;
    when what it has to say fills the output, until that has been taken;
    when its share of a turn is used up, until the others have had theirs.

Few requests of some bytes each may bring about gigabytes of answers, or seconds of work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from batonmq.clock import Clock

# Requests wait while so many bytes of output have not been taken.
OUTPUT_MAX: Final = 1 << 20
# How long a client may be served in one turn, in seconds; what one read brings of plain publishes takes 3 ms.
SHARE_SECONDS: Final = 0.01
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

    __slots__ = ("_clock", "_ends")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends = clock.monotonic() + SHARE_SECONDS

    def is_used(self) -> bool:
        """Is it the turn of the others?"""
        return self._clock.monotonic() >= self._ends


class Backlog(Generic[_Event]):
    """One for each session."""

    __slots__ = ("_clock", "_events", "_session")

    def __init__(self, session: Working[_Event], clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._events: list[_Event] = []

    def __bool__(self) -> bool:
        return bool(self._events)

    def take(self, events: list[_Event]) -> None:
        """These have come: do what can be done of them now."""
        if self._events or self._session.suspended:
            self._events += events
        else:
            self._work(events)

    def put_off(self, events: list[_Event]) -> None:
        """These have come, to be done when the session goes on."""
        self._events += events

    def go_on(self) -> None:
        """Do more of what waits."""
        if self._events and not self._session.suspended:
            events, self._events = self._events, []
            self._work(events)

    def clear(self) -> None:
        """Nothing of it counts any more."""
        self._events = []

    def _work(self, events: list[_Event]) -> None:
        done = self._session.process(events, Share(self._clock))
        if done < len(events):
            # Before what has come meanwhile.
            self._events = events[done:] + self._events
