"""A queue's state: how it was declared, its messages, its consumers.

The features work on this. They may call the abstract methods below, but never write a field.
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
from batonmq.queued import QueuedMessage

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
    """One queue. Anybody may read its fields; only the queue writes them."""

    __slots__ = (
        "arguments",
        "auto_delete",
        "changed_arguments",
        "consumers",
        "counters",
        "deleted",
        "delivered",
        "durable",
        "exclusive",
        "fault",
        "featured",
        "is_ranked",
        "lane",
        "lanes",
        "last_used",
        "moved_in",
        "name",
        "owner",
        "passed",
        "paused",
        "ready_consumers",
        "returning",
        "scheduler",
        "settings",
        "spilled",
        "store",
        "strikes",
        "survives_restart",
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
        # Do the queue and its persistent messages survive a restart?
        self.survives_restart = survives_restart
        self.auto_delete = auto_delete
        # The connection that an exclusive queue belongs to.
        self.owner = owner
        self.exclusive = owner is not None
        self.arguments = arguments
        # The declared values of arguments that were changed in place; None: declared without the argument.
        self.changed_arguments: Mapping[str, FieldValue] = {}
        self.settings = settings
        self.deleted = False
        self.consumers = Consumers()
        # Consumers with room, in the order of service.
        self.ready_consumers = Line()
        # Is the queue in the scheduler's list for the end of the turn?
        self.touched = False
        self.unsettled = 0
        # Are messages on their way back to their old places? Until they arrive, nothing leaves the queue.
        self.returning = False
        # Was a transient message ever written to the store? A delayed one moves to another lane there.
        self.spilled = False
        # When the queue was last used, in monotonic seconds.
        self.last_used = scheduler.clock.monotonic()
        # Nothing is delivered; publishes are accepted.
        self.paused = False
        # Why the queue was set aside, if it was, and how many faults it has had.
        self.fault = ""
        self.strikes = Strikes()
        # The last batch that moves something already stored into the queue: until it is committed, the end of the
        # process would undo the move.
        self.moved_in = 0
        # Do its messages or consumers need the path through the features?
        self.featured = False
        # Do priorities apply here without a setting? Then a message with one takes the path through the features.
        self.is_ranked = settings.queue_type == QUORUM
        self.counters = Counters()
        # Deliveries that have to be settled, and those that do not. Counted here, for each dispatched batch.
        self.delivered = 0
        self.passed = 0
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
        """The lane of that priority, created if necessary."""
        for lane in self.lanes:
            if lane.priority == priority:
                return lane
        return self.add_lane(priority)

    def lane_for(self, message: Message) -> Lane:
        """The lane of a message's priority."""
        settings = self.settings
        if settings.max_priority:
            priority = message.properties.priority
            if not priority and message.framing is not None and not message.properties.has_priority:
                priority = message.framing.default_priority
            priority = min(priority, settings.max_priority)
        elif settings.queue_type == QUORUM and message.properties.has_priority:
            priority = quorum_lane(message.properties.priority)
        else:
            return self.lane
        return self.lane if priority == 0 else self.lane_of(priority)

    def lane_at(self, row: int) -> Lane | None:
        """The lane of that row; None: the row is not in this queue, or its message is delayed."""
        for lane in self.lanes:
            if lane.first_row < row <= lane.last_row:
                return lane
        return None

    def give_up_lane(self, lane_id: int) -> None:
        """Give up an empty lane. Another queue may use its number as soon as the store has no row under it."""
        if self.survives_restart or self.spilled:
            self.store.drop_lane(lane_id)
        else:
            self.store.release_lane(lane_id)

    @property
    def ready_count(self) -> int:
        """The number of messages that are ready for a consumer."""
        return sum(lane.waiting for lane in self.lanes)

    @property
    def ready_bytes(self) -> int:
        """The bytes of the messages that are ready for a consumer."""
        return sum(lane.waiting_bytes for lane in self.lanes)

    # ------------------------------------------------------------------ small changes

    def touch(self) -> None:
        """Dispatch when the turn ends."""
        if not self.touched:
            self.touched = True
            self.scheduler.touched(self)

    def used(self) -> None:
        """The queue was used: restart the time of x-expires."""
        self.last_used = self.scheduler.clock.monotonic()

    def expect(self, message: Message) -> None:
        """Prepare for a message that the broker itself enqueues, in place of one in the store."""
        if message.properties.persistent:
            self.moved_in = self.store.batch

    def handed_out(self, count: int) -> None:
        """Count messages that were delivered and have to be settled."""
        self.unsettled += count
        self.delivered += count

    def needs_no_answer(self) -> None:
        """Count a message that is accepted by its delivery, without an acknowledgement."""
        self.delivered -= 1
        self.passed += 1

    def redelivered(self, count: int) -> None:
        """Count redelivered messages."""
        self.counters.redeliver(count)

    def given_back(self) -> None:
        """Count one message less as unsettled."""
        self.unsettled -= 1

    def begins_to_return(self) -> None:
        """A return has begun that takes several turns."""
        self.returning = True

    def has_returned(self) -> None:
        """All messages are back."""
        self.returning = False

    def has_spilled(self) -> None:
        """Note that a transient message was written to the store."""
        self.spilled = True

    def struck(self, reason: str, now: float) -> tuple[int, bool]:
        return self.strikes.add(reason, now)

    # ------------------------------------------------------------------ what a feature may have the queue do

    @abstractmethod
    def publish(self, message: Message) -> int:
        """Put a message at the tail; returns REFUSED, KEPT or STORED."""

    @abstractmethod
    def enter(self, queued: QueuedMessage, lane: Lane, *, is_new: bool) -> None:
        """Put a delayed message at the tail of a lane; ``is_new``: it was not in the queue before."""

    @abstractmethod
    def copy_in(self, origin: QueuedMessage, *, is_owed: bool = True) -> bool:
        """Put a copy of a delayed message at the tail, in one transaction with the change to the message itself.

        False: the queue is full. ``is_owed``: if the store fails, both are tried again; otherwise the copy is then
        lost, and the requester is told.
        """

    @abstractmethod
    def has_purged(self, count: int) -> None:
        """Count messages that were purged."""

    @abstractmethod
    def return_to(self, queued: QueuedMessage, lane: Lane) -> None:
        """Put a message back in its old row of that lane, after its retry delay."""

    @abstractmethod
    def discard(self, queued: QueuedMessage, reason: str) -> None:
        """Remove a message that is in no lane any more, for a reason: 'expired', 'maxlen', 'delivery_limit' ..."""

    @abstractmethod
    def postpone(self, message: Message, due: int) -> None:
        """Keep a message that is not in the queue until that time (ms of the epoch). Raises StoreError."""

    @abstractmethod
    def try_again(self, queued: QueuedMessage) -> int | None:
        """Try again to place a delayed message that is a dead letter.

        None: it is not one. 0: it has been placed; else when to try again (ms of the epoch).
        """

    @property
    @abstractmethod
    def delayed_count(self) -> int:
        """The number of delayed messages: published with a delay, or waiting for a retry."""

    @property
    @abstractmethod
    def delayed_bytes(self) -> int:
        """The bytes of the delayed messages."""

    @abstractmethod
    def choose_active(self) -> None:
        """Hand the queue over if its single active consumer is late, and another can take messages."""

    @abstractmethod
    def caught_up(self, consumer: Consumer) -> None:
        """A consumer has settled a delivery that was taken back."""

    @abstractmethod
    def withdraw(self, consumer: Consumer) -> None:
        """Remove a consumer from the ready ones: it has no room for now."""

    def pass_over(self, consumer: Consumer) -> None:
        """Remove a consumer from the ready ones, and tell it, so that it asks again when it has room."""
        self.withdraw(consumer)
        consumer.passed_over()
