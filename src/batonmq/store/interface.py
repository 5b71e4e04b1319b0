"""What the broker asks of a store.

A store collects what happens during a turn of the host's loop and writes it as one transaction:

    insert, delete, update ...      collected, nothing written
    stage()                         on the loop: written into an open transaction
    commit()                        in a thread, may block: on the disk when it returns; where it is brief, on the loop
    finish(error)                   on the loop: the batch is durable, or was rolled back

While a commit is under way (``busy``) the next batch is collected. Batches are numbered, so that a confirm can wait
for the number that its message belongs to.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import TYPE_CHECKING

from batonmq.errors import StoreError
from batonmq.purity import mypyc_attr
from batonmq.store.records import LANES_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.message import Message
    from batonmq.queued import QueuedMessage
    from batonmq.store.records import Definition, Snapshot, StoredMessage, StoredRun
    from batonmq.store.status import StoreStatus


@mypyc_attr(allow_interpreted_subclasses=True)
class Store(metaclass=ABCMeta):
    """Where messages and definitions are kept. Not thread-safe but for ``commit``."""

    def __init__(self) -> None:
        # True where messages can be left to the store alone, and read back.
        self.pages = False
        # The number of the batch that is being collected, and of the last one on the disk.
        self.batch = 1
        self.committed = 0
        # A commit is under way in a thread.
        self.busy = False
        # Bytes of messages collected and not yet staged.
        self.pending_bytes = 0
        # Why the store cannot write now; None when it can.
        self.error: StoreError | None = None
        # Somebody waits for the batch that is being collected: it must have reached the disk, whatever is in it.
        self.must_sync = False
        # Was something committed that a loss of power may still take back, as nobody waited for it?
        self.is_unsynced = False
        # Is most of what it occupies free? Then ``shrink`` gives some of that back.
        self.is_sparse = False
        # How long the last commit took to write and to wait for the disk.
        self.commit_seconds = 0.0
        # Counts definitions, lanes and dropped ranges: an operation that moves it has changed what is durable.
        self.changes = 0
        # The number of this opening, and of the last one in which anything was done.
        self.opening = 0
        self.served = 0
        self._last_lane = 0
        self._free_lanes: list[int] = []

    @abstractmethod
    def open(self) -> Snapshot:
        """Open, mend what a crash left, and tell what there is.

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
        """A lane of which nothing ever reached the store may be used again."""
        self._free_lanes.append(lane_id)

    def changed(self) -> None:
        """What is durable has changed, without a definition or a lane having come or gone."""
        self.changes += 1

    def must_reach_disk(self) -> None:
        """Somebody waits for the batch that is being collected, whatever is in it, and for all before it."""
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
        """A message is settled, or gone in another way."""

    def delete_all(self, settled: list[QueuedMessage]) -> None:
        """These messages are settled."""
        for queued in settled:
            self.delete(queued)

    @abstractmethod
    def is_pending(self, queued: QueuedMessage) -> bool:
        """Is the message still to be written, with the batch that is being collected?"""

    @abstractmethod
    def undelete(self, queued: QueuedMessage) -> None:
        """Forget a deletion that failed, instead of trying it again."""

    @abstractmethod
    def insert_dependent(self, copy: Message, origin: QueuedMessage) -> None:
        """The copy, which was just put into queues, stands for a message that goes with the same batch: a dead letter.

        If the batch fails, no publisher can be told that his message is not kept, so the copy is tried again with it.
        """

    @abstractmethod
    def drop_dependents(self, origin: QueuedMessage) -> list[QueuedMessage]:
        """The message stays after all: forget its dependents in batches that failed, and return them."""

    @abstractmethod
    def update(self, queued: QueuedMessage) -> None:
        """A message came back, was handed out again, or changed otherwise: keep its count and its state."""

    @abstractmethod
    def rewrite(self, queued: QueuedMessage) -> None:
        """A kept message has other properties: keep them with what else becomes of it in this batch."""

    @abstractmethod
    def hold(self, queued: QueuedMessage) -> None:
        """A message was handed out past others that wait before it, where no mark can say so.

        Should it not be settled before the process ends, this delivery counts as one that failed.
        """

    @abstractmethod
    def note_done(self, guest: int, number: int, outcome: int) -> None:
        """What another process asked for under that number is done with what is inserted beside it, or is not."""

    @abstractmethod
    def forget_done(self, guest: int, last: int) -> None:
        """That process knows the outcomes up to this number."""

    @abstractmethod
    def read_done(self) -> list[tuple[int, int, int]]:
        """All outcomes: process, number, outcome. For the start. Raises StoreError."""

    @abstractmethod
    def note_serving(self) -> None:
        """From now on places in lanes are given away, in this opening."""

    @abstractmethod
    def mark_handed(self, lane_id: int, position: int) -> None:
        """Everything in the lane up to this position has been in a consumer's hands."""

    @abstractmethod
    def drop_mark(self, lane_id: int) -> None:
        """Nothing of the lane is in a consumer's hands any more: a mark that is not written yet need not be."""

    @abstractmethod
    def note_handed(self, lane_id: int, position: int) -> bool:
        """Note the same so that it outlives the process from now on; False: only the next commit does that."""

    @abstractmethod
    def insert_delayed(self, queued: QueuedMessage, due: int, return_row: int) -> None:
        """Keep a message that waits until ``due`` (ms of the epoch), to stand in ``return_row`` then; 0 is the tail."""

    @abstractmethod
    def move(self, queued: QueuedMessage, from_row: int, due: int = 0, return_row: int = 0) -> None:
        """A kept message has another row from now on: it begins to wait, or (``due`` 0) has become ready."""

    @abstractmethod
    def read_delayed(self, lane_id: int, after: tuple[int, int], most: int, most_bytes: int) -> StoredRun:
        """Of a lane of messages that wait those after a time and a row, the next due first.

        Never while ``busy``. Raises StoreError.
        """

    @abstractmethod
    def insert_dedup_key(self, number: int, key: bytes, at: int) -> None:
        """Keep the key of a message that is not to come twice, with when it came (ms of the epoch).

        ``number`` is built as a row is. The key is refused, and kept, together with what is inserted beside it.
        """

    @abstractmethod
    def delete_dedup_keys(self, first: int, last: int) -> None:
        """Forget the keys of these numbers."""

    @abstractmethod
    def read_dedup_keys(self, lane_id: int) -> list[tuple[int, bytes, int]]:
        """A lane's keys in the order of their numbers: number, key, when. For the start. Raises StoreError."""

    @abstractmethod
    def share(self, message: Message) -> None:
        """The message goes to several durable queues: keep its body once."""

    @abstractmethod
    def read(self, after_row: int, last_row: int, most: int, most_bytes: int) -> list[StoredMessage]:
        """The next messages after a row, in order; never while ``busy``. Raises StoreError."""

    @abstractmethod
    def read_run(self, after_row: int, last_row: int, most: int, most_bytes: int, *, committed: bool) -> StoredRun:
        """As ``read``, for a queue that reads on.

        ``committed``: at any time, what has been committed; what was collected since then does not show. Raises
        StoreError.
        """

    def read_ahead(self, after_row: int, last_row: int, like: Message) -> None:  # noqa: B027 (one that cannot need not)
        """Announce that a queue will read the rows after ``after_row``; ``like``: a message before these."""

    def found_ahead(self, after_row: int, last_row: int, changed_in: int) -> StoredRun | None:
        """The messages that were read ahead: the committed ones of ``read_run``, or some of them; None: nothing was.

        ``changed_in``: the last batch that changed anything after the row, except for new messages at the tail.
        """
        return None

    @abstractmethod
    def expired(self, after_row: int, last_row: int, now: int, most: int) -> list[StoredMessage]:
        """Messages between the rows whose time is over (``now`` in ms of the epoch); never while ``busy``."""

    @abstractmethod
    def next_expiry(self, after_row: int, last_row: int) -> int:
        """When the next message between the rows expires, in ms of the epoch; 0: none does. Never while ``busy``."""

    @abstractmethod
    def status(self) -> StoreStatus:
        """How it stands; in less than a millisecond. On the loop, at any time. Raises StoreError."""

    def look(self) -> bool:
        """Is the file gone? Then there is work: a commit that says so. For hosts, about once a second."""
        return False

    def forked(self) -> None:  # noqa: B027 (a store without a file holds nothing)
        """In a forked child: let go of what is the parent's, without touching it."""

    def has_room_again(self) -> bool:
        """May messages be kept again? On a full disk settlements are kept, in room that was reserved, and they not."""
        return True

    def shrink(self) -> None:  # noqa: B027 (a store that is never sparse has nothing to do)
        """Give some free space back with the next batch, if that has nothing else to do."""

    @abstractmethod
    def has_work(self) -> bool:
        """Is anything collected, or to be tried again?"""

    def is_brief(self) -> bool:
        """Would a commit of what is collected write a few pages, wait for the disk once, and do nothing else?

        Then a host may commit on its loop, where it need not wake a thread and be woken by it.
        """
        return False

    @abstractmethod
    def stage(self) -> None:
        """Write what was collected into an open transaction. A failure shows in ``commit``."""

    @abstractmethod
    def commit(self) -> None:
        """Make the staged batch durable. May block; raises StoreError, and then nothing of the batch is kept.

        A batch of settlements and marks alone, for which nobody waits, survives the end of this process when this
        returns, and a loss of power as soon as the next batch does: what such a loss takes back is delivered again.
        """

    @abstractmethod
    def finish(self, error: StoreError | None) -> list[QueuedMessage]:
        """The commit returned. On an error: the messages that are not kept; the rest will be tried again."""

    @abstractmethod
    def close(self, waiting: Mapping[int, tuple[int, int]] | None) -> None:
        """Commit what is left and close. ``waiting``: how many messages and bytes each lane has, where it is known."""
