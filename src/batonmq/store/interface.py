"""The broker's interface to a store.

A store collects the changes during a turn of the host's loop, and writes them as one transaction:

    insert, delete, update ...      collected, nothing written
    stage()                         on the loop: written into an open transaction
    commit()                        in a thread, may block: on the disk when it returns; where it is brief, on the loop
    finish(error)                   on the loop: the batch is durable, or was rolled back

While a commit is under way (``busy``) the next batch is collected. Batches are numbered, so that a confirm can wait
for the number that its message belongs to.

A message that is settled before it was written need not be written. Where consumers are faster than the disk, a host
may put off the commit for a moment: part() then ends a batch without writing it, and take_settled() tells up to which
one nothing is left of their messages.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import TYPE_CHECKING, Final

from batonmq.errors import StoreError
from batonmq.purity import mypyc_attr
from batonmq.store.records import LANES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.message import Message
    from batonmq.queued import QueuedMessage
    from batonmq.store.records import Definition, Snapshot, StoredMessage, StoredRun
    from batonmq.store.status import StoreStatus

# A batch is one, however many messages it has.
COARSE: Final = 1 << 30


@mypyc_attr(allow_interpreted_subclasses=True)
class Store(metaclass=ABCMeta):
    """Keeps messages and definitions. Not thread-safe, except for ``commit``."""

    def __init__(self) -> None:
        # Can messages be left to the store alone, and read back?
        self.pages = False
        # The number of the batch that is being collected, of the last one on the disk, and of the last one that was
        # staged. While that is being committed, batches may end that are not in it: see `cut_at`.
        self.batch = 1
        self.committed = 0
        self.staged = 0
        # A commit is under way in a thread.
        self.busy = False
        # Bytes of messages collected and not yet staged.
        self.pending_bytes = 0
        # Why the store cannot write now; None when it can.
        self.error: StoreError | None = None
        # Must the batch that is being collected reach the disk, whatever is in it, as somebody waits for it?
        self.must_sync = False
        # Can a loss of power still undo a commit, as nobody waited for it?
        self.is_unsynced = False
        # Is most of the file's space free? Then ``shrink`` gives some of it back.
        self.is_sparse = False
        # How long the last commit took to write and to wait for the disk, in seconds.
        self.commit_seconds = 0.0
        # Counts changes of definitions and lanes, and dropped ranges: an operation that raises it has a durable effect.
        self.changes = 0
        self._when_settled: Callable[[], None] | None = None
        # How many batches need not be written, as all their messages were settled; and how long that took for the last
        # one, in seconds.
        self.spared = 0
        self.spared_after = 0.0
        # A batch that has so many new messages ends where another comes: see `cut_at`.
        self._grain: int = COARSE
        # The number of this opening, and of the last one that served queues.
        self.opening = 0
        self.served = 0
        self._last_lane = 0
        self._free_lanes: list[int] = []

    @abstractmethod
    def open(self) -> Snapshot:
        """Open the store, repair the effects of a crash, and return its contents.
        Raises StoreError when the file cannot be opened, StoreCorrupt when it is not a store of ours.
        """

    def allocate_lane(self) -> int:
        """A lane number that no row uses. Raises StoreError when 262,143 are in use."""
        if self._free_lanes:
            return self._free_lanes.pop()
        if self._last_lane >= LANES_MAX:
            raise StoreError(f"there are {LANES_MAX} queues already")
        self._last_lane += 1
        return self._last_lane

    def release_lane(self, lane_id: int) -> None:
        """Free the number of a lane that never reached the store."""
        self._free_lanes.append(lane_id)

    def changed(self) -> None:
        """Note a durable change other than one of definitions or lanes."""
        self.changes += 1

    def on_settled(self, callback: Callable[[], None] | None) -> None:
        """Call back when all messages of a batch that was put off are settled, be it in the middle of an operation."""
        self._when_settled = callback

    def must_reach_disk(self) -> None:
        """Have the batch that is being collected reach the disk, whatever is in it, with all before it."""
        self.must_sync = True

    @abstractmethod
    def define(self, definition: Definition) -> None:
        """Keep a definition, replacing one of the same kind, virtual host and name."""

    @abstractmethod
    def forget(self, kind: str, vhost: str, name: str) -> None:
        """Drop a definition."""

    @abstractmethod
    def add_lane(self, lane_id: int, vhost: str, queue: str, priority: int) -> None:
        """Keep a durable queue's lane."""

    @abstractmethod
    def drop_lane(self, lane_id: int) -> None:
        """Forget a lane and every message in it."""

    @abstractmethod
    def drop_rows(self, first_row: int, last_row: int) -> None:
        """Forget all messages from the first row to the last, in time bounded per batch whatever their number."""

    @abstractmethod
    def insert(self, queued: QueuedMessage) -> None:
        """Keep a message."""

    def insert_all(self, run: list[QueuedMessage]) -> None:
        """Keep a run of messages."""
        for queued in run:
            self.insert(queued)

    @abstractmethod
    def delete(self, queued: QueuedMessage) -> None:
        """Delete a message that is settled, or has left its queue otherwise."""

    def delete_all(self, settled: list[QueuedMessage]) -> None:
        """Delete settled messages."""
        for queued in settled:
            self.delete(queued)

    @abstractmethod
    def is_pending(self, queued: QueuedMessage) -> bool:
        """Is the message still to be written, with the batch that is being collected?"""

    def replace(self, heir: QueuedMessage) -> None:  # noqa: B027 (a store that writes nothing keeps no objects)
        """Another object stands for a message that is pending, in the same row."""

    @abstractmethod
    def undelete(self, queued: QueuedMessage) -> None:
        """Forget a deletion that failed, instead of trying it again."""

    @abstractmethod
    def insert_dependent(self, copy: Message, origin: QueuedMessage) -> None:
        """Note a copy just put into queues, such as a dead letter, whose original leaves its place in the same batch.

        If the batch fails, no publisher can be told, so the copy is tried again with the change of the original.
        """

    @abstractmethod
    def drop_dependents(self, origin: QueuedMessage) -> list[QueuedMessage]:
        """The original stays after all: drop its dependents in failed batches, and return them."""

    @abstractmethod
    def update(self, queued: QueuedMessage) -> None:
        """Keep the count and the state of a message that came back, was handed out again, or changed otherwise."""

    @abstractmethod
    def rewrite(self, queued: QueuedMessage) -> None:
        """Keep the new properties of a stored message, with its other changes in this batch."""

    @abstractmethod
    def hold(self, queued: QueuedMessage) -> None:
        """Note the delivery of a message past others before it, which no mark can record.

        If it is not settled before the process ends, this delivery counts as failed.
        """

    @abstractmethod
    def note_done(self, guest: int, number: int, outcome: int) -> None:
        """Keep the outcome of another process's command, in one transaction with the messages of this batch."""

    @abstractmethod
    def forget_done(self, guest: int, last: int) -> None:
        """Forget the outcomes up to this number, which that process knows."""

    @abstractmethod
    def read_done(self) -> list[tuple[int, int, int]]:
        """All outcomes: process, number, outcome. For the start. Raises StoreError."""

    @abstractmethod
    def note_serving(self) -> None:
        """Note that this opening serves queues, and so assigns places in lanes, from now on."""

    @abstractmethod
    def mark_handed(self, lane_id: int, position: int) -> None:
        """Mark everything in the lane up to this position as handed out to consumers."""

    @abstractmethod
    def drop_mark(self, lane_id: int) -> None:
        """Drop a mark that is not written yet, as no consumer holds a message of the lane any more."""

    @abstractmethod
    def note_handed(self, lane_id: int, position: int) -> bool:
        """Note the same at once, so that it outlives the process; False: only the next commit will do that."""

    @abstractmethod
    def insert_delayed(self, queued: QueuedMessage, due: int, return_row: int) -> None:
        """Keep a message that waits until ``due`` (ms of the epoch), and then goes to ``return_row``; 0: the tail."""

    @abstractmethod
    def move(self, queued: QueuedMessage, from_row: int, due: int = 0, return_row: int = 0) -> None:
        """Give a stored message another row: it begins to wait, or (``due`` 0) has become ready."""

    @abstractmethod
    def read_delayed(self, lane_id: int, after: tuple[int, int], most: int, most_bytes: int) -> StoredRun:
        """The messages of a lane of delayed ones after a time and a row, the next due first.
        Never while ``busy``. Raises StoreError.
        """

    @abstractmethod
    def insert_dedup_key(self, number: int, key: bytes, at: int) -> None:
        """Keep the deduplication key of a message, with the time of its arrival (ms of the epoch).

        ``number`` is built like a row. The key is kept or lost together with the messages of this batch.
        """

    @abstractmethod
    def delete_dedup_keys(self, first: int, last: int) -> None:
        """Forget the keys of these numbers."""

    @abstractmethod
    def read_dedup_keys(self, lane_id: int) -> list[tuple[int, bytes, int]]:
        """A lane's keys in the order of their numbers: number, key, time. Only for the start. Raises StoreError."""

    @abstractmethod
    def share(self, message: Message) -> None:
        """Keep the body of a message to several durable queues once."""

    @abstractmethod
    def read(self, after_row: int, last_row: int, most: int, most_bytes: int) -> list[StoredMessage]:
        """The next messages after a row, in order; never while ``busy``. Raises StoreError."""

    @abstractmethod
    def read_run(self, after_row: int, last_row: int, most: int, most_bytes: int, *, committed: bool) -> StoredRun:
        """Like ``read``, for a queue that reads further.

        ``committed``: allowed at any time, and sees only committed changes. Raises StoreError.
        """

    def read_ahead(  # noqa: B027 (one that cannot need not)
        self, after_row: int, last_row: int, most: int, found: StoredRun
    ) -> None:
        """Announce that a queue will read at most so many messages between two rows; ``found``: some before them."""

    def found_ahead(self, after_row: int, last_row: int, changed_in: int) -> StoredRun | None:
        """The messages that were read ahead: the committed ones of ``read_run``, or some of them; None: nothing was.

        ``changed_in``: the last batch that changed anything after the row, except for new messages at the tail.
        """
        return None

    @abstractmethod
    def expired(self, after_row: int, last_row: int, now: int, most: int) -> list[StoredMessage]:
        """The expired messages between the rows (``now`` in ms of the epoch); never while ``busy``."""

    @abstractmethod
    def next_expiry(self, after_row: int, last_row: int) -> int:
        """When the next message between the rows expires, in ms of the epoch; 0: none does. Never while ``busy``."""

    @abstractmethod
    def status(self) -> StoreStatus:
        """The store's status, in less than a millisecond. On the loop, at any time. Raises StoreError."""

    def look(self) -> bool:
        """Check whether the file is gone: then there is work, a commit that fails. For hosts, about once a second."""
        return False

    def forked(self) -> None:  # noqa: B027 (a store without a file holds nothing)
        """In a forked child: drop the parent's resources without touching them."""

    def has_room_again(self) -> bool:
        """May messages be kept again? On a full disk only settlements are, in reserved space."""
        return True

    def shrink(self) -> None:  # noqa: B027 (a store that is never sparse has nothing to do)
        """Give some free space back with the next batch, if that has nothing else to do."""

    @abstractmethod
    def has_work(self) -> bool:
        """Is anything collected, or due for a retry?"""

    def is_brief(self) -> bool:
        """Would a commit now write only a few pages, wait for the disk once, and do nothing else?

        Then a host may commit on its loop, without the wake-ups of a thread.
        """
        return False

    def may_wait(self) -> bool:
        """May the commit wait for a moment, as consumers may settle all that is to be written before that?

        They hold each message, or one before it in its lane, which is to be written, too, or was a moment ago. False if
        anything else is to be written, but for settlements and marks, which may wait a while if nobody waits for them.
        """
        return False

    def part(self) -> None:  # noqa: B027 (a store that never lets a commit wait has nothing to do)
        """Put off the commit: end this batch, if it has messages, which are written with the next one."""

    def cut_at(self, count: int = COARSE) -> None:
        """From now on, have no more new messages than so many in a batch, or one run of them.

        So who publishes many in one turn is told of those that were settled first. All are written together if at all.
        """
        self._grain = count

    def waits_since(self) -> float:
        """When the oldest batch ended that was put off and is not settled (``perf_counter``); 0.0: there is none."""
        return 0.0

    def take_settled(self) -> int:
        """The number of the last batch of those that were put off up to which all messages are settled; 0: none.

        Each is told once. Only where nobody waits for anything but the messages of these batches.
        """
        return 0

    @abstractmethod
    def stage(self) -> None:
        """Write the collected changes into an open transaction. A failure shows in ``commit``."""

    @abstractmethod
    def commit(self) -> None:
        """Make the staged batch durable. May block; raises StoreError, and then nothing of the batch is kept.

        A batch of only settlements and marks, for which nobody waits, survives the end of this process once this
        returns, but a loss of power only once the next batch does: messages whose settlement is lost are redelivered.
        """

    @abstractmethod
    def finish(self, error: StoreError | None) -> list[QueuedMessage]:
        """Handle the result of a commit. On an error returns the messages that are lost; the rest is tried again."""

    @abstractmethod
    def close(self, waiting: Mapping[int, tuple[int, int]] | None) -> None:
        """Commit the rest and close. ``waiting``: the messages and bytes of each lane, as far as they are known."""
