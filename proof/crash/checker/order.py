"""Messages of one lane come in their order."""

from __future__ import annotations

from collections import defaultdict

from proof.crash.checker.history import Delivery, History
from proof.crash.checker.verdict import Verdict

__all__ = ["check_order"]


def check_order(history: History, verdict: Verdict) -> None:
    """In queues that keep an order: of new messages in all sessions, of all in sessions of a strict queue."""
    lanes: dict[tuple[str, str], list[tuple[int, Delivery]]] = defaultdict(list)
    for sent in history.sent.values():
        if sent.first.copies != 1:
            continue
        for delivery in sent.deliveries:
            note = delivery.note
            queue = history.layout[note.queue]
            if queue.ordered and note.life >= 0 and note.queue in sent.first.queues:
                lanes[note.queue, sent.first.lane].append((sent.first.number, delivery))
    for (name, lane), found in lanes.items():
        found.sort(key=lambda entry: entry[1].place)
        if history.layout[name].strict:
            _check_sessions(verdict, name, lane, found)
        _check_new(verdict, name, lane, found)


def _check_sessions(verdict: Verdict, queue: str, lane: str, found: list[tuple[int, Delivery]]) -> None:
    """Whatever came in one session."""
    latest: dict[str, int] = {}
    for number, delivery in found:
        session = delivery.session
        if session.opened is not None and session.opened.soft:
            continue
        before = latest.get(session.name, -1)
        if number <= before:
            verdict.breaks("order", f"{queue}: {number} of {lane} came after {before} in session {session.name}")
        latest[session.name] = max(before, number)


def _check_new(verdict: Verdict, queue: str, lane: str, found: list[tuple[int, Delivery]]) -> None:
    """What comes for the first time, after a kill too.

    Of the same life only within a session: who notes first is not who had it first.
    """
    latest: dict[str, int] = {}
    of_life, life, ever = -1, -1, -1
    for number, delivery in found:
        if delivery.note.life != life:
            ever, of_life, life = max(ever, of_life), -1, delivery.note.life
        if not delivery.note.redelivered:
            before = max(ever, latest.get(delivery.session.name, -1))
            if number < before:
                verdict.breaks("order", f"{queue}: {number} of {lane} came new after {before}, in life {life}")
            latest[delivery.session.name] = max(number, latest.get(delivery.session.name, -1))
        of_life = max(of_life, number)
