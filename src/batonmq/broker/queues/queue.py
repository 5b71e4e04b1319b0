"""A queue: messages come in, each is handed to one consumer, and comes back or is settled.

The plain path (publish, dispatch, accept) is what every message pays for; what a queue was declared with beyond that
(`Settings`: expiry, length limits, priorities, a single active consumer) takes the second path, beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.ack_timeout import Deadlines
from batonmq.broker.features.dead_letters import dead_letter, with_reason
from batonmq.broker.features.deduplication import Deduplication
from batonmq.broker.features.delays import Delays
from batonmq.broker.features.expiry import Expiry
from batonmq.broker.features.flow_control import Pace
from batonmq.broker.features.retry import come_back, give_back
from batonmq.broker.features.room import has_room_for
from batonmq.broker.lanes.consumers import Consumers, Line
from batonmq.broker.lanes.lane import Lane
from batonmq.broker.lanes.refilling import can_refill, refill, wants_refill
from batonmq.broker.model.memory import OVERHEAD
from batonmq.broker.model.settings import QUORUM, quorum_lane
from batonmq.broker.queues.dispatch import dispatch_featured, dispatch_plain, must_hold, take
from batonmq.broker.queues.enqueue import KEPT, REFUSED, STORED, publish_featured
from batonmq.broker.queues.subscribing import look_at_features, look_for_group, subscribe, unsubscribe
from batonmq.message import DELAYED, DURABLE, GONE, HELD, IN_MEMORY, READY, QueuedMessage
from batonmq.store.interface import DELAY_LANE, POSITION_MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.broker.features.selective import Selection
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.model.settings import Settings
    from batonmq.broker.vhosts.broker import Broker
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.store.interface import LaneRecord

__all__ = ["KEPT", "REFUSED", "STORED", "Queue"]


class Queue:
    """See the module. Made by ``VirtualHost.declare_queue``."""

    __slots__ = (
        "__weakref__",
        "arguments",
        "auto_delete",
        "broker",
        "consumers",
        "deadlines",
        "delays",
        "deleted",
        "durable",
        "exclusive",
        "expiry",
        "fault",
        "featured",
        "had_consumer",
        "kept",
        "keys",
        "lane",
        "lanes",
        "last_used",
        "moved_in",
        "name",
        "owner",
        "pace",
        "paused",
        "selection",
        "settings",
        "spilled",
        "store",
        "strikes",
        "takers",
        "touched",
        "unsettled",
        "vhost",
    )

    def __init__(
        self,
        vhost: VirtualHost,
        name: str,
        *,
        durable: bool,
        kept: bool,
        auto_delete: bool,
        owner: object | None,
        arguments: Mapping[str, FieldValue],
        settings: Settings,
        lanes: Iterable[LaneRecord] | None = None,
    ) -> None:
        self.vhost = vhost
        self.broker: Broker = vhost.broker
        self.store = self.broker.store
        self.name = name
        self.durable = durable
        # Does it, with its persistent messages, outlive a restart?
        self.kept = kept
        self.auto_delete = auto_delete
        # The connection that an exclusive queue belongs to.
        self.owner = owner
        self.exclusive = owner is not None
        self.arguments = arguments
        self.deleted = False
        self.consumers = Consumers()
        self.had_consumer = False
        # Consumers with room, the next to be served first.
        self.takers = Line()
        # Is the queue in the broker's list of what must be looked at when the turn ends?
        self.touched = False
        self.unsettled = 0
        # Did a transient message ever go to the store? From the lane of what waits for its time it moves to another.
        self.spilled = False
        # Monotonic seconds of the last sign of interest.
        self.last_used = 0.0
        # Nothing is handed out; publishes go in.
        self.paused = False
        # Why it was set aside, if it was: see ``faults``; and how often an exception struck, when, and which.
        self.fault = ""
        self.strikes = (0, 0.0, "")
        # The last batch of the store in which something that the store has already came to the queue, from another
        # place there: until it is committed, the end of the process would undo that.
        self.moved_in = 0
        # How messages are handed out where not every consumer takes what comes next.
        self.selection: Selection | None = None
        self.expiry = Expiry(self)
        self.pace = Pace(self)
        # Does what its messages or its consumers ask for take the second path?
        self.featured = False
        # By priority, the highest first; ``lane``, of priority 0, is for messages without one.
        self.lanes: list[Lane] = []
        # What waits for its time, what is known to have come before, what must be settled in time: if there is any.
        self.delays: Delays | None = None
        self.keys: Deduplication | None = None
        self.deadlines: Deadlines | None = None
        for record in lanes or ():
            if record.priority == DELAY_LANE:
                self.delays = Delays(self, record)
            else:
                self._add_lane(record.priority, record)
        self.lane = self._lane_of(0)
        self.configure(settings)
        if lanes is not None and (known := self.store.read_seen(self.lane.lane_id)):
            self.keys = Deduplication(self, known)
        for lane in self.lanes:
            if lane.paged:
                self.broker.wants_expiry(lane)

    def configure(self, settings: Settings) -> None:
        """Take on other settings while the queue lives."""
        self.settings = settings
        look_at_features(self)
        self.touch()

    def look_for_group(self, message: Message) -> None:
        """From the first message of a group on, groups count."""
        look_for_group(self, message)

    def pause(self, paused: bool) -> None:
        """Hand nothing out from now on, or go on."""
        self.paused = paused
        if self.fault and not paused:
            self.fault = ""
            self.strikes = (0, 0.0, "")
            for part in (self.delays, self.keys, self.deadlines):
                if part is not None:
                    self.broker.wants_work(part)
            for lane in self.lanes:
                self.broker.wants_expiry(lane)
        look_at_features(self)
        self.touch()

    def set_aside(self, fault: str) -> None:
        """A fault of ours has struck again and again: as if paused, until it is resumed or the broker starts anew."""
        self.fault = fault
        self.pause(True)

    # ------------------------------------------------------------------ lanes

    def _add_lane(self, priority: int, record: LaneRecord | None = None) -> Lane:
        lane_id = record.lane_id if record is not None else self.store.allocate_lane()
        lane = Lane(self, self.store, lane_id, priority)
        if record is not None:
            lane.restore(record)
        elif self.kept:
            self.store.add_lane(lane_id, self.vhost.name, self.name, priority)
        self.lanes.append(lane)
        self.lanes.sort(key=lambda lane: -lane.priority)
        return lane

    def _lane_of(self, priority: int) -> Lane:
        for lane in self.lanes:
            if lane.priority == priority:
                return lane
        return self._add_lane(priority)

    def lane_for(self, message: Message) -> Lane:
        """The lane of a message's priority."""
        settings = self.settings
        if settings.max_priority:
            priority = min(message.properties.priority, settings.max_priority)
        elif settings.queue_type == QUORUM and message.properties.has_priority:
            priority = quorum_lane(message.properties.priority)
        else:
            return self.lane
        return self.lane if priority == 0 else self._lane_of(priority)

    @property
    def ready_count(self) -> int:
        """Messages that wait for a consumer."""
        return sum(lane.waiting for lane in self.lanes)

    @property
    def delayed_count(self) -> int:
        """Messages that wait for their time: published with a delay, or to be tried again later."""
        return self.delays.count if self.delays is not None else 0

    @property
    def ready_bytes(self) -> int:
        """Bytes of the bodies of what waits for a consumer."""
        return sum(self.bytes_of(lane) for lane in self.lanes)

    @staticmethod
    def bytes_of(lane: Lane) -> int:
        """The same of one lane."""
        return lane.bytes - OVERHEAD * (len(lane.ready) - lane.gone) + lane.paged_bytes

    # ------------------------------------------------------------------ in

    def publish(self, message: Message) -> int:
        """Put a message at the tail; tells REFUSED, KEPT or STORED."""
        if self.featured or not message.properties.plain:
            return publish_featured(self, message)
        lane = self.lane
        row = lane.next_row
        lane.next_row = row + 1
        queued = QueuedMessage(message, lane, row)
        outcome = KEPT
        if self.kept and message.properties.persistent:
            queued.stored = DURABLE
            self.store.insert(queued)
            outcome = STORED
        if lane.paged:
            lane.append(queued)
        else:
            lane.ready.append(queued)
            lane.horizon = row
            lane.bytes += message.size + OVERHEAD
        if not self.touched:
            self.touch()
        return outcome

    def has_room_for(self, size: int, count: int = 1) -> bool:
        """Would it take so many messages, of so many octets together, and refuse none? Consumers are served first."""
        if has_room_for(self, count, size):
            return True
        if self.takers:
            self.dispatch()
        return has_room_for(self, count, size)

    def publish_all(self, messages: list[Message]) -> int:
        """Put messages that nothing must be looked up for at the tail; tells KEPT, or STORED if any needs the disk.

        For runs of plain messages to a queue that is not ``featured``: what ``publish`` does for each costs half of
        what it costs one by one (0.6 us a message).
        """
        lane = self.lane
        outcome = KEPT
        if lane.paged:
            for message in messages:
                outcome = max(outcome, self.publish(message))
            return outcome
        row = lane.next_row
        append = lane.ready.append
        size = 0
        for message in messages:
            queued = QueuedMessage(message, lane, row)
            row += 1
            size += message.size
            append(queued)
            if self.kept and message.properties.persistent:
                queued.stored = DURABLE
                self.store.insert(queued)
                outcome = STORED
        lane.next_row = row
        lane.horizon = row - 1
        lane.bytes += size + OVERHEAD * len(messages)
        if not self.touched:
            self.touch()
        return outcome

    def expect(self, message: Message) -> None:
        """The broker itself is about to put this in, for a message that is in the store."""
        if message.properties.persistent:
            self.moved_in = self.store.batch

    # ------------------------------------------------------------------ out

    def touch(self) -> None:
        """Have the queue looked at when the turn ends."""
        if not self.touched:
            self.touched = True
            self.broker.touched(self)

    def dispatch(self) -> None:
        """Hand what is ready to consumers with room, one message each in turn."""
        self.touched = False
        if self.takers:
            if self.featured or self.expiry.watching or len(self.lanes) > 1:
                dispatch_featured(self)
            elif self.lane.ready:
                dispatch_plain(self)
        if self.expiry.watching and not self.fault:
            self.expiry.expire()
        self.account()

    def account(self) -> None:
        """See that memory holds no more of it than it may, and no less than it can."""
        for lane in self.lanes:
            if lane.bytes != lane.counted:
                self.broker.memory.account(lane)
            if lane.paged and wants_refill(lane):
                self.broker.wants_refill(lane)

    def must_hold(self, queued: QueuedMessage, *, no_ack: bool) -> bool:
        """Must a commit tell that this message was taken before its client may see it? Ask before it is settled."""
        return must_hold(self, queued, no_ack=no_ack)

    def take(self) -> QueuedMessage | None:
        """The next message, now held (settle it); None when none is at hand.

        A message whose time is over does not count: it expires here. When the window is empty but the store has
        more, None comes back too; the queue goes on by itself once that has been read.
        """
        return take(self)

    def get(self) -> QueuedMessage | None:
        """One message for a client that asks for it (basic.get), read from the store at once if need be."""
        self.used()
        self.broker.dispatch_touched()
        queued = self.take()
        if queued is None and self.is_reading:
            for lane in self.lanes:
                if lane.paged and can_refill(lane):
                    refill(lane)
            queued = self.take()
        if queued is not None:
            self.watch_deadline(queued)
            self.touch()
        return queued

    @property
    def is_reading(self) -> bool:
        """Are there messages that are only in the store, and none at hand?"""
        if self.paused:
            return False
        if self.selection is not None:
            return self.selection.is_fetching
        return any(lane.paged and not lane.ready for lane in self.lanes)

    # ------------------------------------------------------------------ settlement

    def accept(self, queued: QueuedMessage) -> None:
        """The message is done with."""
        self.unsettled -= 1
        queued.state = GONE
        if queued.stored and not self.deleted:
            self.store.delete(queued)
            if not self.unsettled:
                # One message at a time: a commit of one page less.
                for lane in self.lanes:
                    self.store.drop_mark(lane.lane_id)

    def release(self, held: list[QueuedMessage], delay: int | None = None, *, failed: bool = True) -> None:
        """Back to their old places, marked as redelivered; the list is in the order in which they were handed out.

        After ``delay`` milliseconds; None: after the queue's own delay, if it has one. ``failed``: they were not merely
        returned (see ``retry``).
        """
        give_back(self, held, delay, failed=failed)

    def reject(self, queued: QueuedMessage, reason: str = "") -> None:
        """The message is not wanted by anybody: to the dead letters, with the reason in a header, or away."""
        self.unsettled -= 1
        if self.deleted:
            queued.state = GONE
            return
        if reason:
            queued.message = with_reason(queued.message, reason)
        self.discard(queued, "rejected")

    def unsettle(self, queued: QueuedMessage) -> None:
        """The store could not keep a settlement: the message is held again."""
        self.unsettled += 1
        queued.state = HELD
        if queued.stored:
            self.store.undelete(queued)
            self.store.mark_handed(queued.lane.lane_id, queued.lane.handed & POSITION_MASK)
            for copy in self.store.disown(queued):
                copy.lane.queue.lost(copy)

    def discard(self, queued: QueuedMessage, reason: str) -> None:
        """A message that is in no lane (any more) leaves for a reason: 'expired', 'maxlen', 'delivery_limit' ..."""
        queued.state = GONE
        dead_letter(self, queued, reason)
        if queued.stored:
            self.store.delete(queued)

    def purge(self) -> int:
        """Drop what is ready, leave what is held; tells how many messages went."""
        self.broker.dispatch_touched()
        count = sum(lane.clear() for lane in self.lanes)
        if count and self.kept:
            self.store.changes += 1
        self.touch()
        return count

    def lost(self, queued: QueuedMessage) -> None:
        """The store could not keep this message, and its producer will be told so: it leaves the queue."""
        if queued.state == READY:
            if queued.row <= queued.lane.horizon:
                queued.lane.take_out(queued)
            else:
                queued.lane.unpage(queued)
        elif queued.state == DELAYED and self.delays is not None:
            self.delays.lost(queued)
        elif queued.lane.paged:
            queued.lane.is_recounted = True
        if self.keys is not None:
            self.keys.lost(queued)
        queued.stored = IN_MEMORY

    # ------------------------------------------------------------------ what waits, came before, must be settled

    def delaying(self) -> Delays:
        """Where messages wait for their time. Raises StoreError when the store has no lanes left."""
        if self.delays is None:
            self.delays = Delays(self)
        return self.delays

    def deduplication(self) -> Deduplication:
        """What is known to have come before."""
        if self.keys is None:
            self.keys = Deduplication(self, [])
        return self.keys

    def watch_deadline(self, queued: QueuedMessage, timeout: int | None = None) -> None:
        """A message was handed out: does it have to be settled in time? ``timeout``: in so many ms, in any case."""
        consumer = queued.holder
        if timeout is None and consumer is not None:
            timeout = consumer.timeout
        if timeout is None:
            timeout = self.settings.consumer_timeout
        if timeout is not None:
            if self.deadlines is None:
                self.deadlines = Deadlines(self)
            self.deadlines.watch(queued, timeout)

    def renew(self, queued: QueuedMessage, seconds: float) -> bool:
        """Give a held message so many seconds from now on, if it has a deadline; False: it is not held any more."""
        if self.deadlines is None:
            return queued.state == HELD
        return self.deadlines.renew(queued, seconds)

    def come_back(self, queued: QueuedMessage) -> None:
        """A message that was given back has waited long enough; it has its old row."""
        come_back(self, queued)

    # ------------------------------------------------------------------ consumers

    def offer(self, consumer: Consumer) -> None:
        """The consumer has room (again)."""
        if not consumer.waiting and not (self.settings.single_active and self.active is not consumer):
            consumer.waiting = True
            self.takers.join(consumer)
            if not self.touched:
                self.touch()

    def withdraw(self, consumer: Consumer) -> None:
        """The consumer has no room for now."""
        if consumer.waiting:
            consumer.waiting = False
            self.takers.leave(consumer)

    @property
    def active(self) -> Consumer | None:
        """With a single active consumer: the one that is served, the longest there."""
        return self.consumers.first

    def subscribe(self, consumer: Consumer) -> None:
        """Add a consumer; whether it may be added is the virtual host's to say."""
        subscribe(self, consumer)

    def unsubscribe(self, consumer: Consumer) -> None:
        """Remove a consumer; what it holds stays with it. An auto-delete queue goes with its last one."""
        if consumer in self.consumers:
            unsubscribe(self, consumer)

    def used(self) -> None:
        """Somebody shows interest: the time to x-expires begins anew."""
        self.last_used = self.broker.clock.monotonic()

    # ------------------------------------------------------------------ the end

    def delete(self) -> int:
        """Drop all messages and cancel the consumers; tells how many messages were ready."""
        self.broker.dispatch_touched()
        count = self.ready_count
        self.deleted = True
        self.expiry.stop()
        for part in (self.delays, self.keys, self.deadlines):
            if part is not None:
                part.stop()
        for lane in self.lanes:
            lane.clear()
            lane.held.clear()
            self.broker.memory.account(lane)
            self.give_up_lane(lane.lane_id)
        # Whoever still holds a message of it knows its lane, and that the queue; the other way round it would be a
        # cycle, which stays for long where the collector looks at old objects seldom.
        self.delays = self.keys = self.deadlines = self.selection = None
        self.lanes = []
        self.lane = self.lane.remains()
        consumers, self.consumers = self.consumers, Consumers()
        self.takers.clear()
        for consumer in consumers:
            consumer.waiting = False
            consumer.cancelled()
        return count

    def give_up_lane(self, lane_id: int) -> None:
        """A lane of the queue is empty for good: another queue may have its number, once no row stands under it."""
        if self.kept or self.spilled:
            self.store.drop_lane(lane_id)
        else:
            self.store.release_lane(lane_id)

    def __repr__(self) -> str:
        return f"<Queue {self.name!r} in {self.vhost.name!r}>"
