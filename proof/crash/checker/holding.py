"""What only one consumer at a time may hold: a group's messages, and those of a queue with a single active consumer."""

from __future__ import annotations

from collections import defaultdict

from proof.crash.checker.history import Delivery, History
from proof.crash.checker.verdict import Verdict

__all__ = ["check_holding"]


def check_holding(history: History, verdict: Verdict) -> None:
    """From when a consumer noted a message to when it settled it, nobody else held another."""
    held: dict[tuple[str, str, int], list[Delivery]] = defaultdict(list)
    for sent in history.sent.values():
        for delivery in sent.deliveries:
            queue = history.layout[delivery.note.queue]
            opened = delivery.session.opened
            if delivery.note.life < 0 or opened is None or opened.soft:
                continue
            if queue.alone:
                held[queue.name, "", delivery.note.life].append(delivery)
            elif queue.grouped and sent.first.group:
                held[queue.name, sent.first.group, delivery.note.life].append(delivery)
    for (name, group, _), deliveries in held.items():
        deliveries.sort(key=lambda delivery: delivery.note.at)
        until, holder = 0, ""
        for delivery in deliveries:
            if delivery.session.name != holder and delivery.note.at < until:
                what = f"group {group} of {name}" if group else name
                verdict.breaks(
                    "shared", f"{what}: {delivery.session.name} got {delivery.note.id}, {holder} held another"
                )
            end = _until(delivery)
            if end > until:
                until, holder = end, delivery.session.name


def _until(delivery: Delivery) -> int:
    """As long as it was certainly held: a session that was lost may have been so since its last note."""
    if delivery.settlements:
        return delivery.settlements[-1].at
    return delivery.note.at
