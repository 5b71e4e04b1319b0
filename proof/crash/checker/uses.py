"""How often each feature was used, by the notes: a run that does not use one proves nothing of it."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from proof.crash.checker.history import Delivery, History, Sent
from proof.crash.notes import REJECT, RELEASE, REQUEUE

__all__ = ["count_uses"]

_PROTOCOL = re.compile(r"\.(\w+)-s\d+$")
_ALWAYS = (
    "delays",
    "schedules",
    "groups",
    "fan-out",
    "duplicates sent",
    "refusals at a limit",
    "replays",
    "given back and counted",
    "given back uncounted",
    "rejections",
    "deliveries that a kill took back",
    "transactions committed",
    "transactions rolled back",
    "transactions that a kill left open",
)
"""Beside what the queues of a layout stand for."""


def count_uses(history: History) -> Counter[str]:
    """By what is used; what was never used stands there with 0."""
    named = [name for queue in history.layout for name in (*queue.sent_for, *queue.taken_for)]
    uses = Counter(dict.fromkeys([*_ALWAYS, *named], 0))
    uses.update(history.uses)
    for sent in history.sent.values():
        _count_sent(history, sent, uses)
        for delivery in sent.deliveries:
            _count_delivery(history, delivery, uses)
        uses["replays"] += sum(_was_replayed(*pair) for pair in pairwise(sent.deliveries))
    for work in history.works.values():
        uses["transactions committed"] += bool(work.committed_at)
        uses["transactions rolled back"] += work.is_rolled_back
        uses["transactions that a kill left open"] += work.is_open
    return uses


def _count_sent(history: History, sent: Sent, uses: Counter[str]) -> None:
    first, times = sent.first, len(sent.attempts)
    if (found := _PROTOCOL.search(first.session)) is not None:
        uses[f"sent over {found[1]}"] += times
    uses["delays"] += bool(first.due) and first.copies == 1
    uses["schedules"] += first.copies != 1
    uses["groups"] += bool(first.group)
    uses["fan-out"] += len(first.queues) > 1
    uses["duplicates sent"] += times - 1
    uses["refusals at a limit"] += sent.refused
    for queue in first.queues:
        for name in history.layout[queue].sent_for:
            uses[name] += times


def _was_replayed(before: Delivery, after: Delivery) -> bool:
    """A message that was rejected comes to the same queue again by a replay alone, or if the rejection was lost."""
    rejected = bool(before.settlements) and before.settlements[-1].how == REJECT
    return rejected and before.note.queue == after.note.queue and not after.note.redelivered


def _count_delivery(history: History, delivery: Delivery, uses: Counter[str]) -> None:
    if (found := _PROTOCOL.search(delivery.session.name)) is not None:
        uses[f"taken over {found[1]}"] += 1
    for name in history.layout[delivery.note.queue].taken_for:
        uses[name] += 1
    last = delivery.settlements[-1].how if delivery.settlements else ""
    uses["given back and counted"] += last == REQUEUE
    uses["given back uncounted"] += last == RELEASE
    uses["rejections"] += last == REJECT
    uses["deliveries that a kill took back"] += not last
