"""What consumers say of how far their work is, for people who look. Nothing depends on it, and nothing keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batonmq.queued import HELD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batonmq.queued import Holder, QueuedMessage

# Characters of a note: whoever reads it has a line.
NOTE_MAX = 200
# This many are kept before those are looked for that are over.
FEW = 16


class Progress(NamedTuple):
    """How far the work on a message is."""

    fraction: float
    """From 0 to 1."""
    note: str
    """What is being done; "": nothing was said."""
    at: int
    """When it was said, in milliseconds since the epoch."""


class ProgressNotes:
    """The latest word on each message of a virtual host that is being worked on."""

    __slots__ = ("_most", "_notes")

    def __init__(self) -> None:
        # With the return count and the holder at that time: to the next holder it says nothing.
        self._notes: dict[QueuedMessage, tuple[Progress, int, Holder | None]] = {}
        self._most = FEW

    def note(self, queued: QueuedMessage, progress: Progress) -> None:
        """The holder of a message has said so."""
        if queued not in self._notes and len(self._notes) >= self._most:
            self._notes = {one: note for one, note in self._notes.items() if _is_current(one, note)}
            self._most = max(FEW, 2 * len(self._notes))
        self._notes[queued] = progress, queued.returns, queued.holder

    def of(self, queued: QueuedMessage) -> Progress | None:
        """What its holder has said of a message; None: nothing."""
        note = self._notes.get(queued)
        return note[0] if note is not None and _is_current(queued, note) else None

    def all(self) -> Iterator[tuple[QueuedMessage, Progress]]:
        """Each message of whose progress something is known."""
        for queued, note in self._notes.items():
            if _is_current(queued, note):
                yield queued, note[0]


def _is_current(queued: QueuedMessage, note: tuple[Progress, int, Holder | None]) -> bool:
    return queued.state == HELD and queued.returns == note[1] and queued.holder is note[2]
