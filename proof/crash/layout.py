"""What the queues of a run are like, as far as a checker must know it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Layout", "Queue"]


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue, and where its messages go when nobody accepts them."""

    name: str
    durable: bool = True
    leads_to: tuple[str, ...] = ()
    """Where its messages may go next: its dead letters, a move, a replay. What has gone on does not come back, unless
    that queue leads here in turn."""
    dead_letters: bool = False
    """Whether what is rejected, or has come back too often, goes to one of these; else it is dropped."""
    limit: int | None = None
    """How often a message may come back."""
    ordered: bool = False
    """Whether each lane comes in its order: no delays, no retries, nobody who gives back."""
    strict: bool = False
    """Whether what comes again comes in its order, too: one consumer at a time, which gives nothing back."""
    alone: bool = False
    """Whether only one consumer at a time may hold messages: a single active consumer."""
    grouped: bool = False
    """Whether only one consumer at a time may hold messages of a group."""
    drops: bool = False
    """Whether messages may leave it for nowhere: a length limit or a time to live without dead letters."""
    refused_go_on: bool = False
    """Whether a message that was refused may be among its dead letters."""
    known: bool = False
    """Whether it knows duplicates: the same id may be sent again, and counts once."""
    sent_for: tuple[str, ...] = ()
    """The features that a message uses which is sent there; those that every message tells of itself are counted."""
    taken_for: tuple[str, ...] = ()
    """The features that have brought a message there which is taken."""


@dataclass(frozen=True)
class Layout:
    """All queues of a run."""

    queues: Mapping[str, Queue]
    _reach: dict[str, frozenset[str]] = field(default_factory=dict, init=False)
    _families: dict[str, str] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, queues: Iterable[Queue]) -> Layout:
        """ValueError when one leads to a queue that is not there."""
        layout = cls({queue.name: queue for queue in queues})
        for queue in layout:
            if missing := [name for name in queue.leads_to if name not in layout.queues]:
                raise ValueError(f"{queue.name} leads to {missing[0]}, which is not there")
        return layout

    def __iter__(self) -> Iterator[Queue]:
        return iter(self.queues.values())

    def __getitem__(self, name: str) -> Queue:
        """KeyError when there is none."""
        return self.queues[name]

    def reach(self, name: str) -> frozenset[str]:
        """Where a message of that queue may come to be, in any number of steps; itself only by a cycle."""
        if name not in self._reach:
            found: set[str] = set()
            todo = list(self.queues[name].leads_to)
            while todo:
                if (other := todo.pop()) not in found:
                    found.add(other)
                    todo += self.queues[other].leads_to
            self._reach[name] = frozenset(found)
        return self._reach[name]

    def family(self, name: str) -> str:
        """The first, by name, of all queues that messages of this one may come from or go to."""
        if name not in self._families:
            members = {name}
            grown = True
            while grown:
                near = [
                    other
                    for queue in self
                    for other in (queue.name, *queue.leads_to)
                    if queue.name in members or members.intersection(queue.leads_to)
                ]
                grown = not members.issuperset(near)
                members.update(near)
            for member in members:
                self._families[member] = min(members)
        return self._families[name]
