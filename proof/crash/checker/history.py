"""The notes of all clients, put together: what became of each message, session and transaction."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from proof.crash.layout import Layout
from proof.crash.notes import (
    ACCEPT,
    BROKER,
    Begun,
    Committed,
    Committing,
    Confirmed,
    Drained,
    Ended,
    Fault,
    Killed,
    Late,
    Note,
    Opened,
    Received,
    Refused,
    RolledBack,
    Sending,
    Settled,
    Settling,
    TakenOver,
    Used,
)

__all__ = ["Delivery", "History", "Sent", "Session", "Settlement", "Work", "life_of"]

# How long it may take on a busy machine until a broker sees that a client is gone, in nanoseconds.
NOTICED: Final = 1_000_000_000


@dataclass(slots=True)
class Settlement:
    """One attempt to settle a delivery."""

    at: int
    how: str
    work: str
    promised_at: int = 0
    """When the engine promised that it is kept; 0: it never did."""
    was_late: bool = False
    """Whether the engine has said so."""


@dataclass(slots=True)
class Delivery:
    """One message in the hands of one consumer."""

    note: Received
    session: Session
    settlements: list[Settlement] = field(default_factory=list)

    @property
    def place(self) -> tuple[int, int]:
        """By this, deliveries of a message are in their order: a client may note late what it has had for long."""
        return self.note.life, self.note.at


@dataclass(slots=True)
class Session:
    """One connection of one client."""

    name: str
    opened: Opened | None = None
    is_orderly: bool = False
    """Whether the engine has answered its close."""
    ends: list[int] = field(default_factory=list)
    last_at: int = 0
    """When something of it was noted last."""
    deliveries: dict[int, Delivery] = field(default_factory=dict)

    @property
    def is_sure(self) -> bool:
        """Whether all that it asked for has arrived, unless the engine was killed: it ended in an orderly way."""
        return self.is_orderly and self.opened is not None and not self.opened.soft


@dataclass(slots=True)
class Sent:
    """One message, or several that one queue takes for the same."""

    first: Sending
    attempts: list[int] = field(default_factory=list)
    """When it was sent, each time."""
    confirmed_at: int = 0
    """When the engine promised first to keep it; 0: never."""
    refused: int = 0
    deliveries: list[Delivery] = field(default_factory=list)


@dataclass(slots=True)
class Work:
    """One transaction."""

    committing_at: int = 0
    committed_at: int = 0
    is_rolled_back: bool = False
    sent: list[str] = field(default_factory=list)
    settled: list[tuple[Delivery, Settlement]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether nobody was told what became of it: all of it is kept, or none."""
        return bool(self.committing_at) and not self.committed_at and not self.is_rolled_back


def life_of(history: History, sent: Sent) -> int:
    """In which life of the engine it was sent; -1 where nobody can tell."""
    session = history.sessions.get(sent.first.session)
    return session.opened.life if session is not None and session.opened is not None else -1


class History:
    """Gathers notes, each file in its own order; then tells what happened."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.sent: dict[str, Sent] = {}
        self.strangers: list[Delivery] = []
        """Deliveries of messages that nobody has sent."""
        self.sessions: dict[str, Session] = {}
        self.works: dict[str, Work] = {}
        self.faults: list[str] = []
        self.is_drained = False
        self.counts: Counter[str] = Counter()
        self.uses: Counter[str] = Counter()
        """What was noted as used."""
        self._kills: list[int] = []
        self._take_overs: list[int] = []
        self._client_kills: dict[str, list[int]] = {}
        self._losses: dict[str, list[int]] = {}
        self._received: list[Delivery] = []

    # ------------------------------------------------------------------ gathering

    def add(self, notes: Iterable[Note]) -> None:
        """The notes of one file."""
        for note in notes:
            self._take(note)

    def end(self) -> None:
        """All files were added."""
        for delivery in self._received:
            if (sent := self.sent.get(delivery.note.id)) is not None:
                sent.deliveries.append(delivery)
            else:
                self.strangers.append(delivery)
        for sent in self.sent.values():
            if all(delivery.note.life >= 0 for delivery in sent.deliveries):
                sent.deliveries.sort(key=lambda delivery: delivery.place)
            else:
                sent.deliveries.sort(key=lambda delivery: delivery.note.at)
        self._kills.sort()
        self._take_overs.sort()
        self._note_losses()
        for work in self.works.values():
            if work.committed_at:
                for id_ in work.sent:
                    self._confirm(id_, work.committed_at)
                for _, settlement in work.settled:
                    settlement.promised_at = work.committed_at

    def _note_losses(self) -> None:
        """When consumers of a queue left, each of which may have held what it had not seen yet."""
        for session in self.sessions.values():
            queues = {delivery.note.queue for delivery in session.deliveries.values()}
            client = session.opened.client if session.opened is not None else ""
            times = [*self._client_kills.get(client, ()), *session.ends]
            for queue in queues or {""}:
                self._losses.setdefault(queue, []).extend(times)
        for times in self._losses.values():
            times.sort()

    def _session(self, name: str, at: int) -> Session:
        session = self.sessions.get(name)
        if session is None:
            session = self.sessions[name] = Session(name)
        session.last_at = max(session.last_at, at)
        return session

    def _work(self, name: str) -> Work:
        return self.works.setdefault(name, Work())

    def _confirm(self, id_: str, at: int) -> None:
        sent = self.sent.get(id_)
        if sent is not None and not sent.confirmed_at:
            sent.confirmed_at = at

    def _take(self, note: Note) -> None:
        match note:
            case Received():
                session = self._session(note.session, note.at)
                delivery = session.deliveries[note.delivery] = Delivery(note, session)
                self._received.append(delivery)
            case Settling():
                self._settling(note)
            case Settled():
                session = self._session(note.session, note.at)
                for number in note.deliveries:
                    session.deliveries[number].settlements[-1].promised_at = note.at
            case Sending():
                self._sending(note)
            case Confirmed():
                self.counts["confirmed"] += len(note.ids)
                for id_ in note.ids:
                    self._confirm(id_, note.at)
            case Refused():
                self.sent[note.id].refused += 1
            case _:
                self._take_rare(note)

    def _take_rare(self, note: Note) -> None:
        match note:
            case Opened():
                self._session(note.session, note.at).opened = note
            case Ended():
                session = self._session(note.session, note.at)
                session.ends.append(note.at)
                session.is_orderly |= note.orderly
            case Begun():
                self._work(note.work)
            case Committing():
                self._work(note.work).committing_at = note.at
            case Committed():
                self.counts["transactions"] += 1
                self._work(note.work).committed_at = note.at
            case RolledBack():
                self._work(note.work).is_rolled_back = True
            case Late():
                session = self._session(note.session, note.at)
                for number in note.deliveries:
                    session.deliveries[number].settlements[-1].was_late = True
            case TakenOver():
                self._take_overs.append(note.at)
            case Killed() if note.what == BROKER:
                self._kills.append(note.at)
            case Killed():
                self._client_kills.setdefault(note.what, []).append(note.at)
            case Fault():
                self.faults.append(note.text)
            case Used():
                self.uses[note.what] += 1
            case Drained():
                self.is_drained = True
            case _:
                raise AssertionError(f"no such note: {note}")

    def _sending(self, note: Sending) -> None:
        self.counts["sent"] += 1
        before = self.sent.get(note.id)
        if before is None:
            self.sent[note.id] = Sent(note, [note.at])
        elif all(self.layout[name].known for name in note.queues):
            before.attempts.append(note.at)
        else:
            self.faults.append(f"message {note.id} was sent twice by its client, to a queue that knows no duplicates")
        if note.work:
            self._work(note.work).sent.append(note.id)

    def _settling(self, note: Settling) -> None:
        session = self._session(note.session, note.at)
        for number in note.deliveries:
            delivery = session.deliveries[number]
            settlement = Settlement(note.at, note.how, note.work)
            delivery.settlements.append(settlement)
            if note.work:
                self._work(note.work).settled.append((delivery, settlement))

    # ------------------------------------------------------------------ what happened

    @property
    def kills(self) -> int:
        """How often the engine was killed."""
        return len(self._kills)

    def killed_between(self, begin: int, end: int) -> bool:
        """Whether the engine was killed after `begin` and not after `end`."""
        return bisect_right(self._kills, end) > bisect_right(self._kills, begin)

    def taken_over_between(self, begin: int, end: int) -> bool:
        """Whether another process became the engine after `begin` and not after `end`."""
        return bisect_right(self._take_overs, end) > bisect_right(self._take_overs, begin)

    def next_kill(self, after: int) -> int:
        """When the engine was killed next; 2**63 when it was not."""
        place = bisect_right(self._kills, after)
        return self._kills[place] if place < len(self._kills) else 2**63

    def losses_between(self, queue: str, begin: int, end: int) -> int:
        """How often a consumer of this queue may have lost what it held: by kills and leaves.

        Of one that went just before, the broker may have learnt only then, and have sent it a message meanwhile.
        """
        count = 0
        begin -= NOTICED
        # Who left without ever having had anything may have been about to get it, from any queue.
        for times in (self._kills, self._losses.get(queue, ()), self._losses.get("", ())):
            count += bisect_right(times, end) - bisect_right(times, begin)
        return count

    def counts_for(self, settlement: Settlement) -> bool | None:
        """Whether a settlement was done: None where nobody can tell."""
        if settlement.promised_at:
            return True
        if settlement.work:
            work = self._work(settlement.work)
            return None if work.is_open else False
        return None

    def accepted(self, delivery: Delivery) -> bool | None:
        """Whether a delivery was accepted, or was going to be: False if not, None if its session is open about it."""
        done: bool | None = False
        for settlement in delivery.settlements:
            if settlement.how == ACCEPT:
                counts = self.counts_for(settlement)
                if counts:
                    return True
                if counts is None:
                    done = None
        return done
