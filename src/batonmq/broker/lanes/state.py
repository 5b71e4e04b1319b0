"""A queue's state: what it was declared as, where its messages stand, who takes from it. The features work on this.

What a feature may have the queue do are the abstract verbs below. It never writes a field.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from batonmq.broker.lanes.consumers import Consumers, Line
from batonmq.broker.lanes.lane import Lane
from batonmq.broker.lanes.owner import LaneOwner
from batonmq.broker.model.counters import Counters
from batonmq.broker.model.faults import Strikes
from batonmq.broker.model.settings import QUORUM, quorum_lane
from batonmq.message import QueuedMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.model.scheduler import Scheduler
    from batonmq.broker.model.settings import Settings
    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.store.interface import Store
    from batonmq.store.records import LaneRecord


class QueueState(LaneOwner):
    """One queue. Its fields are for all to read, and its own to write."""

    __slots__ = (
        "__weakref__",
        "arguments",
        "auto_delete",
        "consumers",
        "counters",
        "deleted",
        "delivered",
        "durable",
        "exclusive",
        "fault",
        "featured",
        "lane",
        "lanes",
        "last_used",
        "moved_in",
        "name",
        "owner",
        "paused",
        "scheduler",
        "settings",
        "spilled",
        "store",
        "strikes",
        "survives_restart",
        "takers",
        "touched",
        "unsettled",
        "vhost_name",
    )

    def __init__(
        self,
        name: str,
        vhost_name: str,
        scheduler: Scheduler,
        *,
        durable: bool,
        survives_restart: bool,
        auto_delete: bool,
        owner: object | None,
        arguments: Mapping[str, FieldValue],
        settings: Settings,
    ) -> None:
        self.name = name
        self.vhost_name = vhost_name
        self.scheduler = scheduler
        self.store: Store = scheduler.store
        self.durable = durable
        # Does it, with its persistent messages, outlive a restart?
        self.survives_restart = survives_restart
        self.auto_delete = auto_delete
        # The connection that an exclusive queue belongs to.
        self.owner = owner
        self.exclusive = owner is not None
        self.arguments = arguments
        self.settings = settings
        self.deleted = False
        self.consumers = Consumers()
        # Consumers with room, the next to be served first.
        self.takers = Line()
        # Is the queue in the scheduler's list of what must be looked at when the turn ends?
        self.touched = False
        self.unsettled = 0
        # Did a transient message ever go to the store? From the lane of what waits for its time it moves to another.
        self.spilled = False
        # Monotonic seconds of the last sign of interest.
        self.last_used = scheduler.clock.monotonic()
        # Nothing is handed out; publishes go in.
        self.paused = False
        # Why it was set aside, if it was, and how often faults have struck.
        self.fault = ""
        self.strikes = Strikes()
        # The last batch of the store in which something that the store has already came to the queue, from another
        # place there: until it is committed, the end of the process would undo that.
        self.moved_in = 0
        # Does what its messages or its consumers ask for take the second path?
        self.featured = False
        self.counters = Counters()
        # Counted here, as every batch that is handed out is.
        self.delivered = 0
        # By priority, the highest first; ``lane``, of priority 0, is for messages without one.
        self.lanes: list[Lane] = []
        self.lane: Lane

    # ------------------------------------------------------------------ lanes

    def add_lane(self, priority: int, record: LaneRecord | None = None) -> Lane:
        """Make a lane, or bring one back. Raises StoreError when there are no lanes left."""
        lane_id = record.lane_id if record is not None else self.store.allocate_lane()
        lane = Lane(self, self.store, lane_id, priority)
        if record is not None:
            lane.restore(record)
        elif self.survives_restart:
            self.store.add_lane(lane_id, self.vhost_name, self.name, priority)
        self.lanes.append(lane)
        self.lanes.sort(key=lambda lane: -lane.priority)
        return lane

    def lane_of(self, priority: int) -> Lane:
        """The lane of that priority, made if it is not there."""
        for lane in self.lanes:
            if lane.priority == priority:
                return lane
        return self.add_lane(priority)

    def lane_for(self, message: Message) -> Lane:
        """The lane of a message's priority."""
        settings = self.settings
        if settings.max_priority:
            priority = min(message.properties.priority, settings.max_priority)
        elif settings.queue_type == QUORUM and message.properties.has_priority:
            priority = quorum_lane(message.properties.priority)
        else:
            return self.lane
        return self.lane if priority == 0 else self.lane_of(priority)

    def lane_at(self, row: int) -> Lane | None:
        """The lane in which that row lies; None where it is none of the queue, or of what waits for its time."""
        for lane in self.lanes:
            if lane.first_row < row <= lane.last_row:
                return lane
        return None

    def give_up_lane(self, lane_id: int) -> None:
        """A lane of the queue is empty for good: another queue may have its number, once no row stands under it."""
        if self.survives_restart or self.spilled:
            self.store.drop_lane(lane_id)
        else:
            self.store.release_lane(lane_id)

    @property
    def ready_count(self) -> int:
        """Messages that wait for a consumer."""
        return sum(lane.waiting for lane in self.lanes)

    @property
    def ready_bytes(self) -> int:
        """What waits for a consumer weighs so many bytes."""
        return sum(lane.waiting_bytes for lane in self.lanes)

    # ------------------------------------------------------------------ small changes

    def touch(self) -> None:
        """Have the queue looked at when the turn ends."""
        if not self.touched:
            self.touched = True
            self.scheduler.touched(self)

    def used(self) -> None:
        """Somebody shows interest: the time to x-expires begins anew."""
        self.last_used = self.scheduler.clock.monotonic()

    def expect(self, message: Message) -> None:
        """The broker itself is about to put this in, for a message that is in the store."""
        if message.properties.persistent:
            self.moved_in = self.store.batch

    def handed_out(self, count: int) -> None:
        """So many messages are in somebody's hands, to be settled."""
        self.unsettled += count
        self.delivered += count

    def redelivered(self, count: int) -> None:
        """Of what was handed out, so many had come back before."""
        self.counters.redeliver(count)

    def given_back(self) -> None:
        """One of them is not any more."""
        self.unsettled -= 1

    def has_spilled(self) -> None:
        """A transient message went to the store."""
        self.spilled = True

    def struck(self, reason: str, now: float) -> tuple[int, bool]:
        return self.strikes.add(reason, now)

    # ------------------------------------------------------------------ what a feature may have the queue do

    @abstractmethod
    def publish(self, message: Message) -> int:
        """Put a message at the tail; tells REFUSED, KEPT or STORED."""

    @abstractmethod
    def enter(self, queued: QueuedMessage, lane: Lane, *, is_new: bool) -> None:
        """A message that has waited takes a place at the tail of a lane; ``is_new``: it was not in the queue before."""

    @abstractmethod
    def copy_in(self, origin: QueuedMessage) -> None:
        """A copy of a message that waits takes a place at the tail, in one transaction with what becomes of that."""

    @abstractmethod
    def return_to(self, queued: QueuedMessage, lane: Lane) -> None:
        """A message that was given back has waited long enough; it has its old row again, in that lane."""

    @abstractmethod
    def discard(self, queued: QueuedMessage, reason: str) -> None:
        """A message that is in no lane (any more) is gone for a reason: 'expired', 'maxlen', 'delivery_limit' ..."""

    @abstractmethod
    def postpone(self, message: Message, due: int) -> None:
        """Keep a message that is not in the queue until that time (ms of the epoch). Raises StoreError."""

    @abstractmethod
    def try_again(self, queued: QueuedMessage) -> int | None:
        """A message that waits: is it a dead letter that nobody has taken yet? None: it is not.

        0: now somebody has; else when to try again (ms of the epoch).
        """

    @property
    @abstractmethod
    def delayed_count(self) -> int:
        """Messages that wait for their time: published with a delay, or to be tried again later."""

    @property
    @abstractmethod
    def delayed_bytes(self) -> int:
        """What these weigh, in bytes."""

    @abstractmethod
    def withdraw(self, consumer: Consumer) -> None:
        """The consumer has no room for now."""

    def pass_over(self, consumer: Consumer) -> None:
        """It has no room: others are served meanwhile."""
        self.withdraw(consumer)
        consumer.passed_over()
