"""De-duplication: of messages with one key, within a window, a queue takes the first.

A key is a digest of the header's value. Keys stand in memory in the order of their time, 250 bytes each; those of
persistent messages of a durable queue also in a table of the store, written in the transaction of their message. A key
leaves when the window's time is over or more keys than its size have come since: a few with each publish, and in
slices when nothing is published.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from batonmq.broker.features.publish_headers import key_of
from batonmq.broker.model.scheduler import WORK
from batonmq.store.records import POSITION_BITS

if TYPE_CHECKING:
    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.timetable import Timer
    from batonmq.message import Message
    from batonmq.queued import QueuedMessage

# How many keys a queue remembers by default.
SIZE = 100_000
# At most this many keys are forgotten with each publish: twice as many as are added, so that the table can shrink.
PRUNE_ON_PUBLISH = 2
LOOK_SECONDS = 60.0
# The ordered list of keys is cut at the front when at least this many of its entries, and half of them, are gone.
GONE_MAX = 1_024

# Number, when it came (ms of the epoch), key.
Entry = tuple[int, int, bytes]
number_of = itemgetter(0)


class KnownKey(NamedTuple):
    """A key, as listings show it."""

    number: int
    """Later keys have higher ones."""
    key: bytes
    expires_at: int
    """When it is forgotten, in milliseconds since the epoch; 0: when enough others have come."""


class Deduplication:
    """The keys of one queue."""

    __slots__ = (
        "_first",
        "_fresh",
        "_fresh_batch",
        "_keys",
        "_next",
        "_older",
        "_older_batch",
        "_order",
        "_timer",
        "queue",
    )

    def __init__(self, queue: QueueState, known: list[tuple[int, bytes, int]]) -> None:
        """``known``: what the store found."""
        self.queue = queue
        self._keys: dict[bytes, Entry] = {key: (number, at, key) for number, key, at in known}
        # The same entries by number, from this place on; those that ``_keys`` does not have any more are skipped.
        self._order = list(self._keys.values())
        self._first = 0
        self._next = (known[-1][0] if known else queue.lane.lane_id << POSITION_BITS) + 1
        # Keys whose message is not on the disk yet, in the batch that is collected and those before it, each with a
        # duplicate: should the first one be lost, its producer is told so, but the duplicate's is not.
        self._fresh: dict[bytes, Message | None] = {}
        self._fresh_batch = 0
        self._older: dict[bytes, Message | None] = {}
        self._older_batch = 0
        self._timer: Timer | None = None
        self._arm()

    def __len__(self) -> int:
        return len(self._keys)

    def _now(self) -> int:
        return self.queue.scheduler.now()

    def is_known(self, key: bytes, message: Message) -> bool:
        """Did a message with this key come within the window?"""
        known = self._keys.get(key)
        if known is None:
            return False
        if self._is_over(known[1], self._now()):
            self._drop(key)
            return False
        for waiting in (self._fresh, self._older):
            if key in waiting:
                waiting[key] = message
        return True

    def is_uncommitted(self, key: bytes) -> bool:
        """May the message with this key still be lost?"""
        committed = self.queue.store.committed
        return (key in self._fresh and self._fresh_batch > committed) or (
            key in self._older and self._older_batch > committed
        )

    def note(self, key: bytes, *, is_stored: bool) -> None:
        """Note the key of an accepted message; ``is_stored``: the key survives a restart, as the message does."""
        now = self._now()
        number = self._next
        self._next = number + 1
        entry = self._keys[key] = (number, now, key)
        self._order.append(entry)
        if is_stored:
            self.queue.store.insert_dedup_key(number, key, now)
            self._turn_page()
            self._fresh[key] = None
        self._prune(PRUNE_ON_PUBLISH)
        if self._timer is None:
            self._arm()

    def _turn_page(self) -> None:
        store = self.queue.store
        if store.batch == self._fresh_batch:
            return
        if store.committed >= self._fresh_batch:
            self._older = {}
        elif store.committed >= self._older_batch:
            self._older = self._fresh
        else:
            self._older.update(self._fresh)
        self._older_batch = self._fresh_batch
        self._fresh = {}
        self._fresh_batch = store.batch

    def lost(self, queued: QueuedMessage) -> None:
        """The store could not keep this message: free its key, or put its duplicate in its place."""
        key = key_of(queued.message.properties.headers or {})
        if key is None or key not in self._keys:
            return
        self._drop(key)
        duplicate = self._fresh.pop(key, None) or self._older.pop(key, None)
        if duplicate is not None:
            self.queue.publish(duplicate)

    def _drop(self, key: bytes) -> None:
        number = self._keys.pop(key)[0]
        self._forget(number, number)

    def _forget(self, first: int, last: int) -> None:
        if self.queue.survives_restart:
            self.queue.store.delete_dedup_keys(first, last)

    # ------------------------------------------------------------------ looked at, and changed by hand

    def listed(self, after: int, most: int) -> tuple[list[KnownKey], int]:
        """The first keys after a number, in the order in which they came, and the number after which to go on.

        0: there are no more.
        """
        now = self._now()
        order = self._order
        found: list[KnownKey] = []
        place = bisect_right(order, after, lo=self._first, key=number_of)
        # Keys that were forgotten out of order leave gaps, so the search is limited.
        last = min(place + most + GONE_MAX, len(order))
        while place < last and len(found) < most:
            entry = order[place]
            place += 1
            if self._is_known_by(entry) and not self._is_over(entry[1], now):
                found.append(self._shown(entry))
        return found, order[place - 1][0] if place < len(order) else 0

    def find(self, key: bytes) -> KnownKey | None:
        """A key that is known; None: a message with it would be taken."""
        entry = self._keys.get(key)
        return None if entry is None or self._is_over(entry[1], self._now()) else self._shown(entry)

    def _shown(self, entry: Entry) -> KnownKey:
        window = self.queue.settings.deduplication_window
        return KnownKey(entry[0], entry[2], entry[1] + window if window is not None else 0)

    def forget(self, key: bytes) -> bool:
        """Forget a key, so that the next message with it is taken; False: it was not known."""
        if self.find(key) is None:
            return False
        self._drop(key)
        self._fresh.pop(key, None)
        self._older.pop(key, None)
        self.queue.store.changed()
        return True

    # ------------------------------------------------------------------ pruning

    def _is_known_by(self, entry: Entry) -> bool:
        """Is the entry's key known, with no later entry? Compiled code cannot compare tuples by identity."""
        known = self._keys.get(entry[2])
        return known is not None and known[0] == entry[0]

    def _is_over(self, at: int, now: int) -> bool:
        window = self.queue.settings.deduplication_window
        return window is not None and at <= now - window

    def _prune(self, most: int) -> int:
        """Forget the oldest keys that are too old or too many; returns how many."""
        keys = self._keys
        now = self._now()
        size = self.queue.settings.deduplication_size or SIZE
        first = last = count = 0
        while count < most and (entry := self._oldest()) is not None:
            number, at, key = entry
            if len(keys) <= size and not self._is_over(at, now):
                break
            del keys[key]
            first = first or number
            last = number
            count += 1
        if count:
            self._forget(first, last)
        return count

    def _oldest(self) -> Entry | None:
        """The oldest key; entries before it in the list are given up."""
        order = self._order
        place = self._first
        while place < len(order) and not self._is_known_by(order[place]):
            place += 1
        if place > GONE_MAX and place * 2 > len(order):
            del order[:place]
            place = 0
        self._first = place
        return order[place] if place < len(order) else None

    def work(self, most: int) -> int:
        """Forget some of the expired keys; returns how many. The broker asks again while there are more."""
        if self.queue.deleted:
            return 0
        count = self._prune(most)
        if count == most:
            self.queue.scheduler.soon(WORK, self.work)
        else:
            self._arm()
        return count

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        window = self.queue.settings.deduplication_window
        oldest = self._oldest()
        if window is None or oldest is None:
            return
        seconds = (oldest[1] + window - self._now()) / 1000
        self._timer = self.queue.scheduler.timetable.after(min(max(seconds, 0.1), LOOK_SECONDS), self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.queue.scheduler.soon(WORK, self.work)

    def stop(self) -> None:
        """Stop: the queue is deleted, or its broker closed."""
        self._keys.clear()
        self._order.clear()
        self._first = 0
        self._fresh = {}
        self._older = {}
        if self._timer is not None:
            self._timer.cancel()
