"""An owner that takes over first asks the former owner's guests what they hold, before it delivers anything.

    opened --(every expected guest has resumed, or is gone; or the grace time is over)--> serving

Until then no command but ``Resume`` is done, nothing falls due and no message gets a row. So a row names the same
message for this owner as for the one before: a claim is good if the guest was served in the opening before this one,
the row is older than this opening, and nobody has had the message since.
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
"""How long to wait for guests that are alive and say nothing."""
# How often to check whether one of them has ended, in seconds.
LOOK_SECONDS = 0.02
# Who has not looked for so long has stood still, and if the machine has, so have the guests, in seconds.
STILL_SECONDS = 0.5
# However often that happens, they are waited for no longer than so many times the grace time.
GRACES_MOST = 10
# For forgetting the outcomes of all commands of a guest that is gone.
ALL = (1 << 63) - 1


class Claims:
    """What the former owner's guests may claim, and when this owner begins to serve.

    Any thread may call; its lock is never held while waiting for the core's.
    """

    def __init__(self, core: Core, roll: Roll, expected: dict[int, int]) -> None:
        """The broker does not serve yet. Raises StoreError."""
        self._core = core
        self._roll = roll
        self._lock = threading.Lock()
        self._expected = dict(expected)
        self._is_over = False
        self._looked = time.monotonic()
        self._end = self._looked + GRACE_SECONDS
        self._last_end = self._looked + GRACES_MOST * GRACE_SECONDS
        self._serving = threading.Event()
        self.opening = core.store.opening
        self._before = core.store.served
        # The first row of each lane that is assigned in this opening.
        self._next_rows = {
            lane.lane_id: lane.next_row
            for vhost in core.broker.vhosts.values()
            for queue in vhost.queues.values()
            for lane in queue.lanes
        }
        # The commands done that each guest may send again, with their outcomes. The core's lock guards it.
        self.done: dict[int, dict[int, int]] = {}
        for guest, number, outcome in core.store.read_done():
            self.done.setdefault(guest, {})[number] = outcome
        roll.begin(expected)
        reached("take_over.begun")
        self.look()

    # ------------------------------------------------------------------ who is there

    @property
    def is_waiting(self) -> bool:
        """Is any guest expected? Then ``look`` has to be called every LOOK_SECONDS."""
        return not self._serving.is_set()

    def look(self) -> None:
        """Stop waiting for processes that have ended, and for all of them when the time is up."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked > STILL_SECONDS:
                self._end = min(self._end + now - self._looked, self._last_end)
            self._looked = now
            if now >= self._end:
                self._expected.clear()
            for guest in [guest for guest, process in self._expected.items() if not is_there(guest, process)]:
                del self._expected[guest]
                self._roll.remove(guest)
        self._serve_if_all()

    def resumed(self, guest: int, process: int) -> None:
        """A guest has said what it holds."""
        with self._lock:
            self._expected.pop(guest, None)
            if not self._is_over:
                self._roll.add(guest, process)
        self._serve_if_all()

    def gone(self, guest: int, *, for_good: bool) -> None:
        """A guest is not served any more; ``for_good``: it has closed, and sends no command again."""
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
        """Return when the file's broker serves, at the latest a second after the grace time."""
        # The end may have moved meanwhile.
        while not self._serving.is_set() and (left := self._end + 1.0 - time.monotonic()) > 0:
            self._serving.wait(left)

    def close(self) -> None:
        """The owner ends: the guests on the roll now are those for the next one to expect."""
        with self._lock:
            self._is_over = True
        self._serving.set()

    # ------------------------------------------------------------------ in a turn

    def is_good(self, queue: Queue, row: int, openings: list[int]) -> bool:
        """May a guest that was served in those openings claim this row?"""
        if not self._before or self._before not in openings:
            return False
        return any(
            lane.first_row < row < self._next_rows.get(lane.lane_id, 0)
            for lane in queue.lanes
            if lane.first_row < row <= lane.last_row
        )

    def note(self, guest: int, number: int, outcome: int, known: int) -> None:
        """Note a command done in this batch; the guest knows the outcomes of earlier ones, up to ``known``."""
        self.forget(guest, known)
        self.done.setdefault(guest, {})[number] = outcome
        self._core.store.note_done(guest, number, outcome)

    def failed(self, guest: int, number: int) -> None:
        """Forget a command whose batch was not kept."""
        self.done.get(guest, {}).pop(number, None)

    def forget(self, guest: int, last: int) -> None:
        """Forget the outcomes of a guest up to a number: nobody asks for them any more."""
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
