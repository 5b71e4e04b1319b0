"""The part of a lane behind its window: messages that are only in the store, and are read back from it.

Every message in the window lies at or before the horizon, every paged one after it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from batonmq.broker.lanes.window import NO_MESSAGE, Window
from batonmq.broker.model.memory import OVERHEAD, Memory
from batonmq.queued import DURABLE, GONE, IN_MEMORY, SPILLED, QueuedMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.lanes.owner import LaneOwner
    from batonmq.store.interface import Store
    from batonmq.store.records import StoredMessage, StoredRun

log = logging.getLogger("batonmq.broker")

LEFT_OUT = "%r: row %d of the store cannot be read and is left out: %s"
"""The log's text: the queue, the row, and the error."""
LOST = "%r: %d messages were counted that the store does not have: its file is damaged, and they are lost"
"""The log's text: the queue, and the number of messages."""


class PagedWindow(Window):
    """A window, and the count of the messages behind it that are only in the store."""

    # Attributes that a compiled class may delete.
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
        # Is the next message in the store too large to be read while other messages are in memory?
        self.next_does_not_fit = False
        # Has a batch failed, some of whose messages were paged out? Then the count is only known after reading on.
        self.is_recounted = False
        # The messages that choosy consumers took out of the middle, by row. They may lie beyond the horizon, where a
        # read of the store finds them and skips them.
        self.held: dict[int, QueuedMessage] = {}
        # The last batch of the store that takes messages out of the paged part, or puts some anywhere but at its tail.
        # Until this batch is committed, what was committed before is out of date.
        self.changed_in = 0

    @property
    def waiting(self) -> int:
        """The number of ready messages, in memory and in the store."""
        return len(self.ready) - self.gone + self.paged

    @property
    def waiting_bytes(self) -> int:
        """The size of the ready messages in bytes."""
        return self.bytes - OVERHEAD * (len(self.ready) - self.gone) + self.paged_bytes

    # ------------------------------------------------------------------ to the store, and back

    def _page_out(self, queued: QueuedMessage) -> None:
        self.paged += 1
        self.paged_bytes += queued.message.weight
        # This object is no longer the message: reading it again creates another one.
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
        """Remove a message that is only in the store from the count."""
        self.paged -= 1
        self.paged_bytes -= queued.message.weight
        self.changed_in = self.store.batch

    def recount(self) -> None:
        """The number of messages in the store is unknown until all of them have been read."""
        self.is_recounted = True

    def keep_to(self, memory: Memory) -> None:
        """Shrink the window if it exceeds its share of memory."""
        if self.bytes != self.counted:
            most = self.account(memory, can_shrink=self.store.pages)
            if most is not None:
                self.shrink(most)
                self.account(memory, can_shrink=False)

    def shrink(self, most: int) -> None:
        """Page out the tail of the window until at most that many bytes are left.

        Only messages behind all delivered ones are paged out: a read must not find what a consumer holds.
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
            # Messages that were taken out of the middle may now lie beyond the horizon.
            self.horizon = horizon
            self.changed_in = self.store.batch

    def fill(self, found: StoredRun, share: int, is_past_limit: Callable[[QueuedMessage], bool]) -> list[QueuedMessage]:
        """Add messages read from the store to the window, up to ``share`` bytes.

        Those past a limit are left out and reported: they are no longer in the lane. 0.7 us per message.
        """
        held = self.held
        unusual = found.unusual
        past_limit: list[QueuedMessage] = []
        is_whole = True
        size = read = 0
        rows, messages = found.rows, found.messages
        queue = self.queue
        append = self.ready.append
        try:
            for place in range(len(rows)):
                row = rows[place]
                message = messages[place]
                if held and row in held:
                    self.horizon = row
                    continue
                cost = message.weight + OVERHEAD
                if size + cost > share and (read or self.ready):
                    # A message beyond the window would only be paged out again.
                    is_whole = False
                    break
                if unusual and row in unusual:
                    queued = queue.revive(unusual[row])
                    if is_past_limit(queued):
                        self.horizon = row
                        self.unpage(queued)
                        past_limit.append(queued)
                        continue
                else:
                    queued = QueuedMessage(message, queue, row, DURABLE)
                append(queued)
                size += cost
                read += 1
                self.horizon = row
                if queued.expires_at or not message.properties.plain:
                    queue.paged_in(queued)
        finally:
            # Count the messages in memory even after a failure.
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
        """Skip a row that cannot be read as a message. It stays in the file, for a repair."""
        self.horizon = max(self.horizon, row)
        if row not in self.held:
            log.error(LEFT_OUT, self.queue, row, fault)
            self.paged = max(self.paged - 1, 0)
            self.held[row] = gap = QueuedMessage(NO_MESSAGE, self.queue, row)
            gap.hold(None)

    def nothing_is_paged(self) -> None:
        """The store has no more messages of this lane, whatever the count says.

        Unless the count is being redone it is exact, and the difference is lost messages.
        """
        if self.paged > 0 and not self.is_recounted:
            log.error(LOST, self.queue, self.paged)
        self.paged = self.paged_bytes = 0
        self.is_recounted = False
