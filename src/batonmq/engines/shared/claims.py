"""An owner that takes over asks the guests of the former one what they hold, before it hands out anything.

    opened --(every guest that is expected has resumed, or is gone; or the grace is over)--> serving

Until then no command but ``Resume`` is done, nothing falls due and no message gets a place. So a row names the same
message to this owner as to the one before: a claim is good if the guest was served in the opening before this one, the
row is older than this one, and nobody has had the message since.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from batonmq.engines.shared.roll import Roll, is_there
from batonmq.points import reached

if TYPE_CHECKING:
    from batonmq.broker import Queue
    from batonmq.engines.embedded.core import Core

__all__ = ["GRACE_SECONDS", "Claims"]

GRACE_SECONDS = 2.0
"""How long guests that live, and say nothing, are waited for."""
# How often it is looked whether one of them has ended.
LOOK_SECONDS = 0.02
# The outcomes of all the commands of one that has gone.
ALL = (1 << 63) - 1


class Claims:
    """What the guests of the former owner may claim, and when this one begins to serve.

    Any thread may call; its lock is never held while the core's is waited for.
    """

    def __init__(self, core: Core, roll: Roll, expected: dict[int, int]) -> None:
        """The broker does not serve yet. Raises StoreError."""
        self._core = core
        self._roll = roll
        self._lock = threading.Lock()
        self._expected = dict(expected)
        self._is_over = False
        self._end = time.monotonic() + GRACE_SECONDS
        self._serving = threading.Event()
        self.opening = core.store.opening
        self._before = core.store.served
        # Of each lane, the first place that is given away in this opening.
        self._next_rows = {
            lane.lane_id: lane.next_row
            for vhost in core.broker.vhosts.values()
            for queue in vhost.queues.values()
            for lane in queue.lanes
        }
        # What was done of what each guest may ask again, with the outcomes. The core's lock guards it.
        self.done: dict[int, dict[int, int]] = {}
        for guest, number, outcome in core.store.read_done():
            self.done.setdefault(guest, {})[number] = outcome
        roll.begin(expected)
        reached("take_over.begun")
        self.look()

    # ------------------------------------------------------------------ who is there

    @property
    def is_waiting(self) -> bool:
        """Is somebody expected? Then ``look`` is to be called every LOOK_SECONDS."""
        return not self._serving.is_set()

    def look(self) -> None:
        """Stop waiting for processes that have ended, and for all when the time is over."""
        with self._lock:
            if time.monotonic() >= self._end:
                self._expected.clear()
            for guest in [guest for guest, process in self._expected.items() if not is_there(guest, process)]:
                del self._expected[guest]
                self._roll.remove(guest)
        self._serve_if_all()

    def resumed(self, guest: int, process: int) -> None:
        """It has said what it holds."""
        with self._lock:
            self._expected.pop(guest, None)
            if not self._is_over:
                self._roll.add(guest, process)
        self._serve_if_all()

    def gone(self, guest: int, *, for_good: bool) -> None:
        """It is not served any more; one that has closed its connection asks nothing again."""
        with self._lock:
            if not self._is_over:
                self._roll.remove(guest)
        if for_good:
            self._core.run(self.forget, guest, ALL)

    def _serve_if_all(self) -> None:
        with self._lock:
            if self._expected or self._serving.is_set():
                return
        self._core.run(self._serve)
        self._serving.set()
        reached("take_over.done")

    def _serve(self) -> None:
        broker = self._core.broker
        if not broker.is_serving and not self._is_over:
            broker.serve()
            self._core.store.note_serving()
            for guest in [guest for guest in self.done if guest not in self._roll]:
                self.forget(guest, ALL)

    def wait(self) -> None:
        """Return when the file's broker serves, which takes no longer than the grace."""
        self._serving.wait(GRACE_SECONDS + 1.0)

    def close(self) -> None:
        """The owner goes: whoever is on the roll now is who the next one is to expect."""
        with self._lock:
            self._is_over = True
        self._serving.set()

    # ------------------------------------------------------------------ in a turn

    def is_good(self, queue: Queue, row: int, openings: list[int]) -> bool:
        """May a guest that was served in those openings speak of this row?"""
        if not self._before or self._before not in openings:
            return False
        return any(
            lane.first_row < row < self._next_rows.get(lane.lane_id, 0)
            for lane in queue.lanes
            if lane.first_row < row <= lane.last_row
        )

    def note(self, guest: int, number: int, outcome: int, known: int) -> None:
        """A command is done with this batch; that of earlier ones, up to ``known``, is known where it was asked for."""
        self.forget(guest, known)
        self.done.setdefault(guest, {})[number] = outcome
        self._core.store.note_done(guest, number, outcome)

    def failed(self, guest: int, number: int) -> None:
        """Its batch is not kept."""
        self.done.get(guest, {}).pop(number, None)

    def forget(self, guest: int, last: int) -> None:
        """Nobody asks for these outcomes any more."""
        done = self.done.get(guest)
        if not done:
            return
        gone = [number for number in done if number <= last]
        for number in gone:
            del done[number]
        if not done:
            del self.done[guest]
        if gone:
            self._core.store.forget_done(guest, last)
