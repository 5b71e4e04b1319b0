"""What a client has asked for and is not done yet, so that no client's requests fill the memory or hold up the others.

A session does what comes at once, and leaves the rest for later

    while it is suspended, because it waits for the store (``CommitGate``) or for a log-in;
    when what it has to say fills the output, until that has been taken;
    when its share of a turn is used up, until the others have had theirs.

Few requests of some bytes each may bring about gigabytes of answers, or seconds of work. And many clients may ask for
much at the same time: what all of them together get of one turn is bounded, too (``broker.TurnTime``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from batonmq.broker import Share, TurnTime

# Requests wait while so many bytes of output have not been taken.
OUTPUT_MAX: Final = 1 << 20
# The clock is looked at after so many requests that are mostly quick, and after each of the others.
QUICK: Final = 8

_Event = TypeVar("_Event")


class Working(Protocol[_Event]):
    """A protocol's session, as its backlog sees it."""

    suspended: bool

    def process(self, events: list[_Event], share: Share) -> int:
        """Do what these ask for; tells how many are done. To stop when suspended, or when the share is used up."""


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
