"""The progress that consumers report, for people. Nothing depends on it, and it is not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batonmq.queued import HELD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batonmq.queued import Holder, QueuedMessage

# The longest note, in characters: it has to fit a line.
NOTE_MAX = 200
# With more entries than this, obsolete ones are removed.
FEW = 16


class Progress(NamedTuple):
    """The progress of the work on a message."""

    fraction: float
    """From 0 to 1."""
    note: str
    """A note on what is being done; "": none."""
    at: int
    """The time of the report, in milliseconds since the epoch."""


class ProgressNotes:
    """The latest progress of each message in a virtual host."""

    __slots__ = ("_most", "_notes")

    def __init__(self) -> None:
        # With the return count and the holder at that time: it does not apply to the next holder.
        self._notes: dict[QueuedMessage, tuple[Progress, int, Holder | None]] = {}
        self._most = FEW

    def note(self, queued: QueuedMessage, progress: Progress) -> None:
        """Record the progress reported by a message's holder."""
        if queued not in self._notes and len(self._notes) >= self._most:
            self._notes = {one: note for one, note in self._notes.items() if _is_current(one, note)}
            self._most = max(FEW, 2 * len(self._notes))
        self._notes[queued] = progress, queued.returns, queued.holder

    def clear(self) -> None:
        """Forget all notes."""
        self._notes.clear()

    def of(self, queued: QueuedMessage) -> Progress | None:
        """The progress of a message; None: none was reported."""
        note = self._notes.get(queued)
        return note[0] if note is not None and _is_current(queued, note) else None

    def all(self) -> Iterator[tuple[QueuedMessage, Progress]]:
        """All messages with reported progress."""
        for queued, note in self._notes.items():
            if _is_current(queued, note):
                yield queued, note[0]


def _is_current(queued: QueuedMessage, note: tuple[Progress, int, Holder | None]) -> bool:
    return queued.state == HELD and queued.returns == note[1] and queued.holder is note[2]
