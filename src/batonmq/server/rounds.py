"""Schedules the ticks of very many connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from batonmq.protocols.sessions.heartbeats import OFTEN, PART, pace

__all__ = ["Rounds", "how_often"]

_Member = TypeVar("_Member")


def how_often(*limits: float) -> float:
    """How often to tick, in seconds, where limits of time in seconds may be exceeded by an eighth."""
    return pace(*(PART * limit for limit in limits))


class Rounds(Generic[_Member]):
    """Members, each with the round in which it is due. The cost of a round depends only on the members due in it."""

    __slots__ = ("_due", "_members", "_now", "_rounds")

    def __init__(self) -> None:
        self._now = 0
        # Each member with its round; one whose round has begun is in `_due`.
        self._members: dict[_Member, int] = {}
        self._rounds: dict[int, dict[_Member, None]] = {}
        # The one that has waited longest comes first.
        self._due: dict[_Member, None] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[_Member]:
        return iter(self._members)

    @property
    def has_due(self) -> bool:
        """Is any member due?"""
        return bool(self._due)

    def join(self, member: _Member) -> None:
        """Add a member, due in the next round."""
        self._put(member, self._now + 1)

    def leave(self, member: _Member) -> bool:
        """Remove a member; False: there was none."""
        round_ = self._members.pop(member, None)
        if round_ is None:
            return False
        if self._due.pop(member, self) is self:
            fellows = self._rounds[round_]
            del fellows[member]
            if not fellows:
                del self._rounds[round_]
        return True

    def begin(self) -> None:
        """Begin the next round; call it every `OFTEN` seconds."""
        self._now += 1
        self._due.update(self._rounds.pop(self._now, {}))

    def take(self, most: int) -> Iterator[_Member]:
        """Up to so many members that are due. They are then no longer due, and need a new time."""
        for _ in range(min(most, len(self._due))):
            if not self._due:
                return  # the others have left meanwhile
            member = next(iter(self._due))
            del self._due[member]
            self._put(member, self._now + 1)
            yield member

    def look_again(self, member: _Member, seconds: float) -> None:
        """Make a member due after that many seconds, unless it has left."""
        if self._members.get(member) == self._now + 1:
            rounds = max(1, int(seconds / OFTEN))
            if rounds > 1:
                self.leave(member)
                self._put(member, self._now + rounds)

    def hurry(self, member: _Member) -> None:
        """Make a member due in the next round, unless it is due now or has left."""
        if member not in self._due and self._members.get(member, 0) > self._now + 1:
            self.leave(member)
            self._put(member, self._now + 1)

    def _put(self, member: _Member, round_: int) -> None:
        self._members[member] = round_
        self._rounds.setdefault(round_, {})[member] = None
