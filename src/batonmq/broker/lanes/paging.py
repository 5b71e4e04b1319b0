"""What is behind a lane's window: left to the store, and read back from it.

Every message in the window lies at or before the horizon, every paged one after it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from batonmq.broker.lanes.window import NO_MESSAGE, Window
from batonmq.broker.model.memory import OVERHEAD, Memory
from batonmq.message import DURABLE, GONE, IN_MEMORY, SPILLED, QueuedMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.lanes.owner import LaneOwner
    from batonmq.store.interface import Store
    from batonmq.store.records import StoredMessage, StoredRun

log = logging.getLogger("batonmq.broker")


class PagedWindow(Window):
    """A window, and how much more of its lane is in the store."""

    # What a compiler may let go of.
    __deletable__ = ("queue",)
    __slots__ = (
        "changed_in",
        "held",
        "is_recounted",
        "next_does_not_fit",
        "paged",
        "paged_bytes",
        "queue",
        "store",
    )

    def __init__(self, queue: LaneOwner, store: Store, lane_id: int, priority: int) -> None:
        super().__init__(lane_id, priority)
        self.queue = queue
        self.store = store
        self.paged = 0
        self.paged_bytes = 0
        # Is the next message in the store too large to be read while any is at hand?
        self.next_does_not_fit = False
        # Has a batch failed of whose messages some were left to the store alone? Only reading on tells the count.
        self.is_recounted = False
        # What choosy consumers took out of the middle, by row: it may lie beyond the horizon, where a read of the store
        # finds it and skips it.
        self.held: dict[int, QueuedMessage] = {}
        # The last batch of the store that takes messages out of what is paged, or puts them anywhere but at its tail.
        # Until it is committed, what is committed is not to be believed.
        self.changed_in = 0

    @property
    def waiting(self) -> int:
        """How many messages are ready, wherever they are."""
        return len(self.ready) - self.gone + self.paged

    @property
    def waiting_bytes(self) -> int:
        """What these weigh, in bytes."""
        return self.bytes - OVERHEAD * (len(self.ready) - self.gone) + self.paged_bytes

    # ------------------------------------------------------------------ to the store, and back

    def _page_out(self, queued: QueuedMessage) -> None:
        self.paged += 1
        self.paged_bytes += queued.message.weight
        # This object is no longer the message's: a read makes another.
        queued.leave()
        if queued.stored == IN_MEMORY:
            queued.kept_as(SPILLED)
            self.store.insert(queued)
        if queued.expires_at or queued.stored == SPILLED:
            self.queue.paged_out(queued)

    def _page_in_between(self, queued: QueuedMessage) -> None:
        self._page_out(queued)
        self.changed_in = self.store.batch

    def unpage(self, queued: QueuedMessage | StoredMessage) -> None:
        """A message that is only in the store leaves it."""
        self.paged -= 1
        self.paged_bytes -= queued.message.weight
        self.changed_in = self.store.batch

    def recount(self) -> None:
        """How many messages are in the store is not known any more, until all of them have been read."""
        self.is_recounted = True

    def keep_to(self, memory: Memory) -> None:
        """See that memory holds no more of it than it may."""
        if self.bytes != self.counted:
            most = self.account(memory, can_shrink=self.store.pages)
            if most is not None:
                self.shrink(most)
                self.account(memory, can_shrink=False)

    def shrink(self, most: int) -> None:
        """Leave the tail of the window to the store until at most so many bytes are left.

        Only what lies after everything that was handed out: a read must not find what a consumer holds.
        """
        ready = self.ready
        while self.bytes > most and len(ready) > 1 and ready[-1].row > self.handed:
            queued = ready.pop()
            if queued.state == GONE:
                self.gone -= 1
                continue
            self.bytes -= queued.message.weight + OVERHEAD
            self._page_out(queued)
        horizon = max(ready[-1].row, self.handed) if ready else self.handed
        if horizon < self.horizon:
            # What was taken out of the middle may lie beyond the horizon now, too.
            self.horizon = horizon
            self.changed_in = self.store.batch

    def fill(self, found: StoredRun, share: int, is_past_limit: Callable[[QueuedMessage], bool]) -> list[QueuedMessage]:
        """What was read on becomes part of the window, as far as it takes no more than ``share`` bytes.

        Those that are past a limit do not, and are told: they are in the lane no more. 0.7 us a message.
        """
        held = self.held
        unusual = found.unusual
        past_limit: list[QueuedMessage] = []
        is_whole = True
        size = read = 0
        try:
            for row, message in zip(found.rows, found.messages, strict=True):
                if held and row in held:
                    self.horizon = row
                    continue
                cost = message.weight + OVERHEAD
                if size + cost > share and (read or self.ready):
                    # Beyond the window it would only be left to the store again.
                    is_whole = False
                    break
                if unusual and row in unusual:
                    queued = self.queue.revive(unusual[row])
                    if is_past_limit(queued):
                        self.horizon = row
                        self.unpage(queued)
                        past_limit.append(queued)
                        continue
                else:
                    queued = QueuedMessage(message, self.queue, row, DURABLE)
                self.ready.append(queued)
                size += cost
                read += 1
                self.horizon = row
                if queued.expires_at or not message.properties.plain:
                    self.queue.paged_in(queued)
        finally:
            # Whatever strikes on the way, what is at hand is counted as such.
            self.next_does_not_fit = not is_whole and not read
            self.bytes += size
            self.paged -= read
            self.paged_bytes -= size - OVERHEAD * read
        for row, fault in found.unreadable.items():
            if is_whole or row <= self.horizon:
                self._leave_aside(row, fault)
        if self.horizon == self.next_row - 1:
            self.nothing_is_paged()
        return past_limit

    def _leave_aside(self, row: int, fault: str) -> None:
        """No message can be made of a row: it stays in the file, for whoever mends that, and in nobody's way."""
        self.horizon = max(self.horizon, row)
        if row not in self.held:
            log.error("%r: row %d of the store cannot be read and is left out: %s", self.queue, row, fault)
            self.paged = max(self.paged - 1, 0)
            self.held[row] = gap = QueuedMessage(NO_MESSAGE, self.queue, row)
            gap.hold(None)

    def nothing_is_paged(self) -> None:
        """Whatever the count says, the store has no more of it."""
        self.paged = self.paged_bytes = 0
        self.is_recounted = False
