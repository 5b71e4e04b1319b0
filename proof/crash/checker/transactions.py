"""Transactions are kept as a whole or not at all, over however many queues."""

from __future__ import annotations

from proof.crash.checker.history import Delivery, History, Work, life_of
from proof.crash.checker.verdict import Verdict
from proof.crash.notes import ACCEPT

__all__ = ["check_transactions"]


def check_transactions(history: History, verdict: Verdict) -> None:
    """Those of which nobody was told: what shows that one is there, and what shows that it is not.

    Of the others each part is checked as a promise, or as something that never was.
    """
    for name, work in history.works.items():
        if not work.is_open:
            continue
        there, not_there = _evidence(history, work)
        if there and not_there:
            verdict.breaks("torn", f"transaction {name}: {there}; but {not_there}")


def _evidence(history: History, work: Work) -> tuple[str, str]:
    there = not_there = ""
    for id_ in work.sent:
        sent = history.sent[id_]
        # In the life of the commit a consumer may see it a moment before it is kept; after a kill, only what was kept.
        later = [
            each
            for each in sent.deliveries
            if each.note.life > life_of(history, sent) and history.killed_between(work.committing_at, each.note.at)
        ]
        if later:
            there = f"message {id_} came in {later[0].note.queue}"
        elif not sent.deliveries and history.is_drained and _stays(history, id_):
            not_there = f"message {id_} did not come in {sent.first.queues[0]}"
    for delivery, settlement in work.settled:
        if settlement.how != ACCEPT or delivery.note.id not in history.sent:
            continue
        if (again := _came_again(history, delivery)) is not None:
            not_there = f"message {delivery.note.id} came again in {again.note.queue}"
        elif history.is_drained and history.sent[delivery.note.id].confirmed_at and _stays(history, delivery.note.id):
            # Everything is taken, and it did not come: the acceptance was kept.
            there = f"message {delivery.note.id} did not come again in {delivery.note.queue}"
    return there, not_there


def _stays(history: History, id_: str) -> bool:
    """Whether the message would have come if it was there."""
    first = history.sent[id_].first
    if not first.persistent:
        return False
    return not any(history.layout[name].drops or not history.layout[name].durable for name in first.queues)


def _came_again(history: History, delivery: Delivery) -> Delivery | None:
    family = history.layout.family(delivery.note.queue)
    for other in history.sent[delivery.note.id].deliveries:
        is_later = other.place > delivery.place
        if other.note.life < 0 or delivery.note.life < 0:
            is_later = other.note.at > delivery.note.at
        if is_later and history.layout.family(other.note.queue) == family:
            return other
    return None
