"""Each message by itself: it is there until it is settled, and then it is not; marked and counted as it came."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from proof.crash.checker.history import Delivery, History, Sent, life_of
from proof.crash.checker.verdict import Verdict
from proof.crash.layout import Queue
from proof.crash.notes import ACCEPT, REJECT, RELEASE

__all__ = ["check_messages"]

NANOSECONDS = 1e9


def check_messages(history: History, verdict: Verdict) -> None:
    """Every message that was sent, and every one that came and was not."""
    for stranger in history.strangers:
        verdict.breaks("unknown", f"{_where(stranger)}: nobody has sent it")
    for sent in history.sent.values():
        by_family: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in sent.deliveries:
            by_family[history.layout.family(delivery.note.queue)].append(delivery)
        _check_sent(history, verdict, sent)
        for queue in sent.first.queues:
            track = by_family.pop(history.layout.family(queue), [])
            if sent.first.copies < 0:
                continue
            if sent.first.copies > 1:
                _check_copies(history, verdict, sent, queue, track)
            else:
                _Track(history, verdict, sent, queue).walk(track)
        for track in by_family.values():
            verdict.breaks("unknown", f"{_where(track[0])}: it was sent to {', '.join(sent.first.queues)}")
        verdict.counts["received"] += len(sent.deliveries)
    verdict.counts += history.counts


def _check_sent(history: History, verdict: Verdict, sent: Sent) -> None:
    """It may be there at all, and has not come before its time."""
    first = sent.first
    work = history.works.get(first.work) if first.work else None
    is_undone = work is not None and not work.committed_at and not work.is_open
    is_refused = bool(sent.refused) and not sent.confirmed_at and sent.refused == len(sent.attempts)
    goes_on = any(history.layout[name].refused_go_on for name in first.queues)
    life = life_of(history, sent)
    for delivery in sent.deliveries:
        note = delivery.note
        queue = history.layout[note.queue]
        if is_undone:
            verdict.breaks("unknown", f"{_where(delivery)}: its transaction {first.work} was never committed")
        if is_refused and (not goes_on or note.queue in first.queues):
            verdict.breaks("doubled", f"{_where(delivery)}: it was refused")
        if not (first.persistent and queue.durable) and note.life > life >= 0:
            verdict.breaks("unknown", f"{_where(delivery)}: it is not durable, and was sent in life {life}")


class _Track:
    """One message in one family of queues."""

    def __init__(self, history: History, verdict: Verdict, sent: Sent, queue: str) -> None:
        self._history = history
        self._layout = history.layout
        self._verdict = verdict
        self._sent = sent
        self._first = queue
        self._visit = _Visit(queue, -1, sent.first.at)

    def walk(self, track: list[Delivery]) -> None:
        """Through its deliveries, in their order; then what is left of it."""
        before: list[Delivery] = []
        for delivery in track:
            if delivery.note.life >= 0:
                self._check_return(before, delivery)
            self._enter(before, delivery)
            if delivery.note.life >= 0:
                self._check_marks(delivery)
            self._visit.count(self._history, delivery)
            self._check_limit(delivery)
            before.append(delivery)
        if before:
            self._count_end(before)
        if self._history.is_drained:
            self._check_end(before)

    def _check_return(self, before: list[Delivery], delivery: Delivery) -> None:
        """It was not done with."""
        note = delivery.note
        given = self._sent.first.at
        for earlier in before:
            # Whoever held it when another took over has to say so within seconds; on a busy machine he may be late.
            is_one_engine = not self._history.taken_over_between(earlier.note.asked or given, note.at)
            given = earlier.note.at
            for settlement in earlier.settlements:
                if settlement.how != ACCEPT:
                    continue
                done = self._history.counts_for(settlement)
                is_processed = (
                    done is None
                    and not settlement.work
                    and not settlement.was_late
                    and is_one_engine
                    and earlier.session.is_sure
                    and not self._history.killed_between(settlement.at, note.at)
                )
                if done or is_processed:
                    said = "promised" if done else "processed, and nothing was killed since"
                    self._verdict.breaks("returned", f"{_where(delivery)}: its acceptance was {said}; {_all(before)}")
                    return

    def _enter(self, before: list[Delivery], delivery: Delivery) -> None:
        """Into the next queue, if it is another, or the same once more."""
        note = delivery.note
        visit = self._visit
        again = bool(before) and _is_rejected(before[-1]) and note.queue in self._layout.reach(note.queue)
        again |= bool(before) and self._is_another(before[-1], delivery)
        if visit.queue == note.queue and visit.deaths in (-1, note.deaths) and not again:
            visit.deaths = note.deaths
            if not before:
                self._check_time(delivery)
            return
        if note.queue not in self._layout.reach(visit.queue) and not (again and visit.queue == note.queue):
            text = f"{_where(delivery)}: from {visit.queue} no way leads there; {_all(before)}"
            self._verdict.breaks("doubled", text)
        # What was rejected may have come round unseen, or not have been rejected yet when the engine was killed.
        most = visit.most if again and visit.queue == note.queue else 0
        since = before[-1].note.at if before else self._sent.first.at
        self._visit = _Visit(note.queue, note.deaths, since, most=most)

    def _is_another(self, earlier: Delivery, delivery: Delivery) -> bool:
        """Whether the earlier one may never have been kept: seen before its commit, killed, and sent again."""
        kill = self._history.next_kill(earlier.note.at)
        if kill > delivery.note.at or 0 < self._sent.confirmed_at < kill:
            return False
        return any(kill < at < delivery.note.at for at in self._sent.attempts)

    def _check_time(self, delivery: Delivery) -> None:
        first, note = self._sent.first, delivery.note
        if first.due and note.at < first.due:
            early = (first.due - note.at) / NANOSECONDS
            self._verdict.breaks("early", f"{_where(delivery)}: {early:.3f} s before its time")

    def _check_marks(self, delivery: Delivery) -> None:
        note, visit = delivery.note, self._visit
        losses = self._history.losses_between(note.queue, visit.since, note.at)
        if visit.seen and not note.redelivered:
            self._verdict.breaks("unmarked", f"{_where(delivery)}: seen {visit.seen} times before")
        if note.redelivered and not visit.seen and not losses:
            self._verdict.breaks("overmarked", f"{_where(delivery)}: nobody can have seen it")
        if note.returns is not None and not visit.least <= note.returns <= visit.most + losses:
            text = f"came back {note.returns} times, it says; {visit.least} to {visit.most + losses} it can be"
            self._verdict.breaks("count", f"{_where(delivery)}: {text}")

    def _check_limit(self, delivery: Delivery) -> None:
        limit = self._layout[delivery.note.queue].limit
        if limit is not None and self._visit.least > limit + 1:
            text = f"{self._visit.least} deliveries, and it may come back {limit} times"
            self._verdict.breaks("limit", f"{_where(delivery)}: {text}")

    def _count_end(self, before: list[Delivery]) -> None:
        accepted = [self._history.accepted(delivery) for delivery in before]
        self._verdict.counts["accepted"] += any(value is not False for value in accepted)
        self._verdict.counts["settled"] += any(accepted)

    def _check_end(self, before: list[Delivery]) -> None:
        """Whoever was promised that it is kept has it, or somebody may have settled it."""
        first = self._sent.first
        if not self._sent.confirmed_at or self._sent_may_be_gone():
            return
        if not before:
            if not self._drops(self._first):
                text = f"message {first.id} to {self._first} was confirmed and never came"
                self._verdict.breaks("missing", text)
            return
        last = before[-1]
        # Where nobody can tell in which order they came, any of them may have been the last.
        lasts = before if any(delivery.note.life < 0 for delivery in before) else [last]
        if any(self._may_be_last(delivery) for delivery in lasts) or self._drops(last.note.queue):
            return
        self._verdict.breaks("missing", f"{_where(last)}: that was the last of it; {_all(before)}")

    def _sent_may_be_gone(self) -> bool:
        """Not durable, and the engine was killed."""
        durable = self._sent.first.persistent and self._layout[self._first].durable
        return not durable and self._history.killed_between(self._sent.first.at, 2**63)

    def _drops(self, name: str) -> bool:
        """Whether it may leave for nowhere, here or further on."""
        return any(self._layout[each].drops for each in (name, *self._layout.reach(name)))

    def _may_be_last(self, delivery: Delivery) -> bool:
        """Whether this may have been done with it: accepted, or rejected where nothing takes dead letters."""
        queue: Queue = self._layout[delivery.note.queue]
        for settlement in delivery.settlements:
            ends = settlement.how == ACCEPT or (settlement.how == REJECT and not queue.dead_letters)
            if ends and self._history.counts_for(settlement) is not False:
                return True
        if queue.limit is not None and not queue.dead_letters:
            return self._visit.most > queue.limit
        return False


@dataclass(slots=True)
class _Visit:
    """A message's time in one queue, from when it came there at the earliest."""

    queue: str
    deaths: int
    """How often it had died when it came; -1: not known yet."""
    since: int
    seen: int = 0
    """Deliveries that somebody has noted."""
    least: int = 0
    most: int = 0
    """How often it must, and may, have come back after those."""

    def count(self, history: History, delivery: Delivery) -> None:
        """It was delivered, and may come back."""
        self.seen += 1
        self.most += 1
        last = delivery.settlements[-1] if delivery.settlements else None
        # What is released need not count, and who cannot tell in which life he had it proves nothing.
        if delivery.note.life >= 0 and (last is None or last.how != RELEASE or history.counts_for(last) is False):
            self.least += 1


def _is_rejected(delivery: Delivery) -> bool:
    return bool(delivery.settlements) and delivery.settlements[-1].how == REJECT


def _check_copies(history: History, verdict: Verdict, sent: Sent, queue: str, track: list[Delivery]) -> None:
    """What a schedule repeats: as many as were asked for, each new once."""
    first = sent.first
    fresh = [delivery for delivery in track if not delivery.note.redelivered and delivery.note.life >= 0]
    accepted = [history.accepted(delivery) for delivery in track]
    certain = sum(value is True for value in accepted)
    possible = sum(value is not False for value in accepted)
    verdict.counts["accepted"] += possible
    verdict.counts["settled"] += certain
    asked = f"message {first.id} to {queue} was to come {first.copies} times"
    if len(fresh) > first.copies:
        verdict.breaks("unmarked", f"{asked}, and came new {len(fresh)} times")
    if certain > first.copies:
        verdict.breaks("doubled", f"{asked}, and was accepted {certain} times")
    if first.due and track and track[0].note.at < first.due:
        verdict.breaks("early", f"{_where(track[0])}: before its time")
    lasts = history.layout[queue].durable and first.persistent
    if history.is_drained and sent.confirmed_at and lasts and possible < first.copies:
        verdict.breaks("missing", f"{asked}, and was accepted {possible} times")


def _where(delivery: Delivery) -> str:
    note = delivery.note
    marked = ", redelivered" if note.redelivered else ""
    return f"message {note.id} in {note.queue} ({note.session}, life {note.life}, {note.at}{marked})"


def _all(before: list[Delivery]) -> str:
    """What was seen of it, for whoever looks for the reason."""
    return "before: " + "; ".join(
        f"{each.note.queue} {each.note.session} life {each.note.life} at {each.note.at} "
        + " ".join(f"{done.how}{' in ' + done.work if done.work else ''}@{done.at}" for done in each.settlements)
        for each in before[-6:]
    )
