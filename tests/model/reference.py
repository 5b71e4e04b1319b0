"""What a broker has to do, written as plainly as it can be: lists that are searched, and a clock.

The order within a queue is a rank: by priority, then by when the message came. Messages that the clock brought in at
one moment have one rank, since nothing says in which order timers fire; all others have ranks of their own. A message
that comes back has its old rank.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

State = Literal["ready", "held", "delayed"]


@dataclass(frozen=True)
class Plan:
    """What a queue was declared with. Times in milliseconds."""

    durable: bool = True
    ttl: int = 0
    max_length: int = 0
    overflow: Literal["drop-head", "reject-publish"] = "drop-head"
    max_priority: int = 0
    delivery_limit: int | None = None
    retry_delay: int = 0
    single_active: bool = False
    deduplication_window: int = 0
    dead_letters: str | None = None


@dataclass(eq=False)
class Entry:
    """A message in a queue."""

    body: str
    priority: int = 0
    colour: str = ""
    group: str = ""
    persistent: bool = True
    key: str = ""
    ttl: int = 0
    rank: int = 0
    state: State = "ready"
    # How often it came back and that counted; and did any consumer have it?
    returns: int = 0
    is_known: bool = False
    # Consumers that it cannot be delivered to.
    refused: frozenset[object] = frozenset()
    expires_at: int = 0
    due: int = 0
    # Does it wait to come back to its old rank, and not for its first time?
    comes_back: bool = False
    # Who holds it; None: nobody, or somebody who fetched it.
    holder: object = None
    # Queue and reason, the last first.
    deaths: list[tuple[str, str]] = field(default_factory=list)


class Queue:
    """One queue of the reference."""

    def __init__(self, name: str, plan: Plan) -> None:
        self.name = name
        self.plan = plan
        self.entries: list[Entry] = []
        self.paused = False
        # By key: when it came, and whether that survives a restart.
        self.keys: dict[str, tuple[int, bool]] = {}

    def lane(self, entry: Entry) -> int:
        """The priority that counts."""
        return min(entry.priority, self.plan.max_priority)

    def those(self, state: State) -> list[Entry]:
        """In the order of the queue."""
        found = [entry for entry in self.entries if entry.state == state]
        return sorted(found, key=lambda entry: (-self.lane(entry), entry.rank))

    def comes_before(self, one: Entry, other: Entry) -> bool:
        """Must it be handed out first?"""
        return (-self.lane(one), one.rank) < (-self.lane(other), other.rank)


# Body, returns, whether any consumer had it, and colour of what is ready, by queue.
Seen = dict[str, list[tuple[str, int, bool, str]]]


class Reference:
    """All queues, and the time."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self.now = 0
        self._rank = 0
        self._is_moving = False

    # ------------------------------------------------------------------ in

    def _next_rank(self) -> int:
        if not self._is_moving:
            self._rank += 1
        return self._rank

    def publish(self, name: str, entry: Entry, delay: int = 0) -> bool:
        """Tells whether the queue took it; a duplicate counts as taken."""
        queue = self.queues[name]
        plan = queue.plan
        if entry.key and plan.deduplication_window:
            known = queue.keys.get(entry.key)
            if known is not None and self.now < known[0] + plan.deduplication_window:
                return True
        is_full = len(queue.those("ready")) >= plan.max_length > 0
        if is_full and plan.overflow == "reject-publish" and not delay:
            return False
        if entry.key and plan.deduplication_window:
            queue.keys[entry.key] = (self.now, plan.durable and entry.persistent)
        queue.entries.append(entry)
        if delay:
            entry.state = "delayed"
            entry.due = self.now + delay
        else:
            self._enter(queue, entry)
        return True

    def has_room(self, name: str, count: int) -> bool:
        """Would it take so many more?"""
        queue = self.queues[name]
        is_strict = queue.plan.overflow == "reject-publish"
        return not is_strict or len(queue.those("ready")) + count <= queue.plan.max_length

    def _enter(self, queue: Queue, entry: Entry) -> None:
        entry.state = "ready"
        entry.rank = self._next_rank()
        lives = [ttl for ttl in (entry.ttl, queue.plan.ttl) if ttl]
        entry.expires_at = self.now + min(lives) if lives else 0

    def make_room(self, name: str) -> None:
        """What is too much leaves at the head; consumers with room have been served."""
        queue = self.queues[name]
        plan = queue.plan
        while plan.max_length and plan.overflow == "drop-head" and len(queue.those("ready")) > plan.max_length:
            self._die(queue, queue.those("ready")[0], "maxlen")

    # ------------------------------------------------------------------ out

    def first_for(self, name: str, selector: str, taker: object, *, hasty: bool = False) -> list[Entry]:
        """What may be handed to somebody next: those of the first rank that he may have.

        ``hasty``: what came back may be overtaken, since it may lie in a store that is busy.
        """
        queue = self.queues[name]
        if queue.paused:
            return []
        wanted = [
            entry
            for entry in queue.those("ready")
            if (not selector or entry.colour == selector)
            and taker not in entry.refused
            and self._is_free(queue, entry, taker)
        ]
        first = [entry for entry in wanted if not (hasty and entry.is_known)]
        return [
            entry
            for entry in wanted
            if (hasty and entry.is_known) or not any(queue.comes_before(other, entry) for other in first)
        ]

    @staticmethod
    def _is_free(queue: Queue, entry: Entry, taker: object) -> bool:
        """Is nothing of its group in other hands, and nothing of it ready before it?"""
        return not entry.group or not any(
            other.group == entry.group and other.state == "held" and other.holder is not taker
            for other in queue.entries
        )

    def hand_out(self, entry: Entry, taker: object) -> None:
        """It is in somebody's hands."""
        entry.state = "held"
        entry.holder = taker

    def accept(self, name: str, entry: Entry) -> None:
        """It is done with."""
        self.queues[name].entries.remove(entry)

    def reject(self, name: str, entry: Entry) -> None:
        """Nobody wants it."""
        self._die(self.queues[name], entry, "rejected")

    def modify(self, name: str, entry: Entry, colour: str, *, failed: bool, elsewhere: bool) -> None:
        """It comes back in another colour; if it cannot be delivered to its holder, to others or the dead letters."""
        entry.colour = colour or entry.colour
        if elsewhere and self.queues[name].plan.dead_letters is not None:
            self.reject(name, entry)
            return
        if elsewhere and entry.holder is not None:
            entry.refused |= {entry.holder}
        self.release(name, entry, counted=failed)

    def release(self, name: str, entry: Entry, delay: int = 0, *, counted: bool = True) -> None:
        """It comes back, after the delay or the queue's own."""
        queue = self.queues[name]
        entry.returns += counted
        entry.is_known = True
        entry.holder = None
        if queue.plan.delivery_limit is not None and entry.returns > queue.plan.delivery_limit:
            self._die(queue, entry, "delivery_limit")
        elif delay or (queue.plan.retry_delay and counted):
            entry.state = "delayed"
            entry.comes_back = True
            entry.due = self.now + (delay or queue.plan.retry_delay)
        else:
            self._return(queue, entry)

    def _return(self, queue: Queue, entry: Entry) -> None:
        entry.state = "ready"
        entry.comes_back = False
        if entry.expires_at and entry.expires_at <= self.now:
            self._die(queue, entry, "expired")

    def _die(self, queue: Queue, entry: Entry, reason: str) -> None:
        queue.entries.remove(entry)
        target = queue.plan.dead_letters
        deaths = [death for death in entry.deaths if death != (queue.name, reason)]
        deaths.insert(0, (queue.name, reason))
        if target not in self.queues or self._goes_round(target, deaths):
            return
        copy = replace(
            entry,
            returns=0,
            is_known=False,
            refused=frozenset(),
            ttl=0,
            key="",
            holder=None,
            comes_back=False,
            deaths=deaths,
        )
        self.publish(target, copy)

    @staticmethod
    def _goes_round(target: str, deaths: list[tuple[str, str]]) -> bool:
        """Was it in that queue before, and has no client rejected it since?"""
        for name, reason in deaths:
            if reason == "rejected":
                return False
            if name == target:
                return True
        return False

    # ------------------------------------------------------------------ time, and what is done to whole queues

    def wait(self, milliseconds: int) -> None:
        """Time passes; everything that falls due does so at one moment."""
        self.now += milliseconds
        self._rank += 1
        self._is_moving = True
        for _ in range(2):
            for queue in list(self.queues.values()):
                for entry in [entry for entry in queue.entries if entry.state == "delayed" and entry.due <= self.now]:
                    if entry.comes_back:
                        self._return(queue, entry)
                    else:
                        self._enter(queue, entry)
                for entry in queue.those("ready"):
                    if entry.expires_at and entry.expires_at <= self.now:
                        self._die(queue, entry, "expired")
        self._is_moving = False

    def purge(self, name: str) -> int:
        """What is ready goes."""
        queue = self.queues[name]
        ready = queue.those("ready")
        queue.entries = [entry for entry in queue.entries if entry not in ready]
        return len(ready)

    def move(self, name: str, target: str, most: int, *, anew: bool = False) -> int:
        """The head goes to the tail of another queue, which does not count as a death; ``anew``: none counts then."""
        queue = self.queues[name]
        moved = queue.those("ready")[:most]
        for entry in moved:
            queue.entries.remove(entry)
            copy = replace(entry, returns=0, is_known=False, refused=frozenset(), deaths=[] if anew else entry.deaths)
            self.queues[target].entries.append(copy)
            self._enter(self.queues[target], copy)
        return len(moved)

    def crash(self) -> None:
        """The process is killed and comes again: what was held has failed once more, what was not kept is gone."""
        for name, queue in list(self.queues.items()):
            if not queue.plan.durable:
                del self.queues[name]
                continue
            queue.keys = {key: known for key, known in queue.keys.items() if known[1]}
            queue.entries = [entry for entry in queue.entries if entry.persistent]
        self._rank += 1
        self._is_moving = True
        for queue in list(self.queues.values()):
            for entry in [entry for entry in queue.entries if entry.state == "held"]:
                entry.returns += 1
                entry.is_known = True
                entry.holder = None
                limit = queue.plan.delivery_limit
                if limit is not None and entry.returns > limit:
                    self._die(queue, entry, "delivery_limit")
                else:
                    self._return(queue, entry)
        self._is_moving = False

    def copy(self) -> Reference:
        """As it is now."""
        other = Reference()
        other.now, other._rank = self.now, self._rank
        for name, queue in self.queues.items():
            twin = other.queues[name] = Queue(name, queue.plan)
            twin.entries = [replace(entry) for entry in queue.entries]
            twin.paused = queue.paused
            twin.keys = dict(queue.keys)
        return other

    def takes_on(self, seen: Seen, waiting: dict[str, int], doubtful: set[tuple[str, str]]) -> bool:
        """Could this be what is seen? ``doubtful`` may have been handed out, of which there may be a note."""
        for name, queue in self.queues.items():
            ready = {entry.body: entry for entry in queue.those("ready")}
            found = {body: (returns, is_known, colour) for body, returns, is_known, colour in seen[name]}
            if ready.keys() != found.keys() or waiting[name] != len(queue.those("delayed")):
                return False
            for body, (returns, is_known, colour) in found.items():
                entry = ready[body]
                is_noted = (name, body) in doubtful and returns == entry.returns + 1 and is_known
                if colour != entry.colour:
                    return False
                if not is_noted and (returns, is_known) != (entry.returns, entry.is_known):
                    return False
                entry.returns, entry.is_known = returns, is_known
        return self.queues.keys() == seen.keys()
