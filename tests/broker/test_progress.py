"""What consumers say of their work: kept for as long as they hold the message, and no longer."""

from __future__ import annotations

from batonmq.broker.model.progress import FEW, Progress, ProgressNotes
from batonmq.broker.routing.direct_replies import NOBODY
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.queued import Holder, QueuedMessage


class SomeHolder(Holder):
    __slots__ = ()

    def revoked(self, queued: QueuedMessage) -> None: ...

    def settled_late(self, queued: QueuedMessage) -> None: ...


def a_message(row: int = 1) -> QueuedMessage:
    queued = QueuedMessage(Message("", "orders", Properties.make(), b""), NOBODY, row)
    queued.hold(SomeHolder())
    return queued


def test_the_latest_word_counts_until_the_message_has_another_holder() -> None:
    notes, queued = ProgressNotes(), a_message()
    assert notes.of(queued) is None
    for fraction in (0.1, 0.2):
        notes.note(queued, Progress(fraction, "", 1))
    assert notes.of(queued) == Progress(0.2, "", 1)
    assert list(notes.all()) == [(queued, Progress(0.2, "", 1))]
    queued.come_back()
    assert (notes.of(queued), list(notes.all())) == (None, [])
    queued.hold(SomeHolder())
    assert notes.of(queued) is None


def test_what_is_over_is_not_kept_for_long() -> None:
    notes = ProgressNotes()
    working = [a_message(row) for row in range(5)]
    for queued in working:
        notes.note(queued, Progress(0.5, "", 1))
    for row in range(1000):
        queued = a_message(row)
        notes.note(queued, Progress(0.5, "", 1))
        queued.settle()
        assert len(notes._notes) <= FEW + 1
    assert [queued for queued, _ in notes.all()] == working
