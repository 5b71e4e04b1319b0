"""A queue: messages come in, each is dispatched to one consumer, and is then settled or comes back.

The plain path (publish, dispatch, accept) is the cost of every message. Queues whose settings ask for more (expiry,
length limits, priorities, a single active consumer) take a second path beside it.

The file is longer than most, since it is all that the rest of the broker sees of a queue. Whatever takes more than a
few lines has a file of its own: enqueue, dispatch, requeue, refilling, draining, the features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batonmq.broker.features.annotations import annotated
from batonmq.broker.features.dead_letters import has_dead_letters, uncounted, with_reason
from batonmq.broker.features.length_limit import has_room_for_all, has_room_once_served, make_room
from batonmq.broker.lanes.consumers import Consumers
from batonmq.broker.model.events import QUEUE_PAUSED
from batonmq.broker.model.outcomes import KEPT, STORED
from batonmq.broker.model.scheduler import NOT_NOW, READ, WORK
from batonmq.broker.model.settings import DROP_HEAD
from batonmq.broker.queues.dispatch import dispatch_featured, dispatch_plain, must_hold, take
from batonmq.broker.queues.draining import end_drains
from batonmq.broker.queues.enqueue import copy_in, enter, needing_room, publish_featured
from batonmq.broker.queues.featured import FeaturedQueue
from batonmq.broker.queues.refilling import can_refill, refill, wants_refill
from batonmq.broker.queues.requeue import requeue, return_to
from batonmq.broker.queues.returning import AT_ONCE, Returning
from batonmq.broker.queues.single_active import choose_active, finish_handing_over
from batonmq.queued import DELAYED, DURABLE, HELD, IN_MEMORY, READY, settle_all
from batonmq.store.records import POSITION_MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.model.counters import Counters
    from batonmq.broker.model.scheduler import Scheduler
    from batonmq.broker.model.settings import Settings
    from batonmq.broker.routing.router import Router
    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.queued import QueuedMessage
    from batonmq.store.records import LaneRecord


# The reason for dead-lettering a message that its consumer declared undeliverable.
UNDELIVERABLE = "undeliverable here"


class Queue(FeaturedQueue):
    """One queue of a virtual host, which makes it (``VirtualHost.add_queue``) and deletes it.

    Messages are taken by a ``Consumer`` that ``subscribe``s, or with ``get``, and settled through
    ``queued.settlement``. Nothing here checks rights: ``Operations`` does that for clients.
    """

    __slots__ = ("_remove", "_returns")

    def __init__(
        self,
        name: str,
        vhost_name: str,
        scheduler: Scheduler,
        router: Router,
        remove: Callable[[Queue], object],
        *,
        durable: bool,
        survives_restart: bool,
        auto_delete: bool,
        owner: object | None,
        arguments: Mapping[str, FieldValue],
        settings: Settings,
        lanes: Iterable[LaneRecord] | None = None,
    ) -> None:
        """``remove`` deletes the queue; ``lanes``: its records in the store, if it is restored.

        Raises StoreError when there are no lanes left.
        """
        super().__init__(
            name,
            vhost_name,
            scheduler,
            router,
            durable=durable,
            survives_restart=survives_restart,
            auto_delete=auto_delete,
            owner=owner,
            arguments=arguments,
            settings=settings,
            lanes=lanes,
        )
        self._remove = remove
        # The returns under way, if any.
        self._returns: Returning | None = None

    def configure(self, settings: Settings) -> None:
        """Change the settings of the existing queue."""
        self.settings = settings
        self.look_at_features()
        self.touch()

    def change_arguments(self, arguments: Mapping[str, FieldValue], declared: Mapping[str, FieldValue]) -> None:
        """Give the existing queue other arguments; ``configure`` it with the settings that follow from them.

        ``declared``: the original values of changed arguments; None: declared without the argument.
        """
        self.arguments = arguments
        self.changed_arguments = declared

    def pause(self, paused: bool) -> None:
        """Stop dispatching, or resume it."""
        self.paused = paused
        if self.fault and not paused:
            self.fault = ""
            self.strikes.forget()
            for part in (self.delays, self.keys, self.ack_timeouts):
                if part is not None:
                    self.scheduler.soon(WORK, part.work)
            if self._returns is not None:
                self._returns.go_on()
            self.expiry.look_at_paged()
        self.look_at_features()
        self.touch()

    def set_aside(self, reason: str) -> None:
        """Pause the queue after repeated faults, until it is resumed or the broker restarts."""
        self.fault = reason
        self.pause(True)
        self.scheduler.events.tell(QUEUE_PAUSED, vhost=self.vhost_name, queue=self.name, fault=reason)

    def counts(self) -> Counters:
        """The counters of its messages since the queue was created, or restored."""
        counters = self.counters
        delivered = self.delivered + self.passed
        return replace(
            counters,
            enqueued=counters.enqueued + sum(lane.enqueued for lane in self.lanes),
            delivered=delivered,
            delivered_no_ack=self.passed,
            accepted=delivered - self.unsettled - counters.returned - counters.rejected,
        )

    # ------------------------------------------------------------------ in

    def publish(self, message: Message) -> int:
        """Put a message at the tail; returns REFUSED, KEPT or STORED."""
        properties = message.properties
        if self.featured or not properties.plain or (self.is_ranked and properties.has_priority):
            return publish_featured(self, message)
        if not self.touched:
            self.touch()
        if self.survives_restart and properties.persistent:
            self.lane.enqueue(message, DURABLE)
            return STORED
        self.lane.enqueue(message, IN_MEMORY)
        return KEPT

    def publish_all(self, messages: list[Message]) -> int:
        """Put a run of plain messages at the tail; returns KEPT, or STORED if any needs the disk.

        For a queue that is not ``featured``. A message costs 0.6 us, half of what ``publish`` costs.
        """
        if self.is_ranked and any(message.properties.has_priority for message in messages):
            return max(map(self.publish, messages))
        if not self.touched:
            self.touch()
        return STORED if self.lane.enqueue_all(messages, survive=self.survives_restart) else KEPT

    def has_room_for(self, size: int) -> bool:
        """Would the queue take a message of ``size`` octets? Consumers are served first."""
        return has_room_once_served(self, size)

    def has_room_for_all(self, messages: Iterable[Message], *, takers_are_sure: bool = False) -> bool:
        """Would the queue take all of these messages, if they were published in this order?

        ``takers_are_sure``: waiting consumers make room too. Only for a host whose consumers take as many messages as
        their ``room`` says: a socket may be full before that. Their headers must be valid.
        """
        if self.settings.overflow == DROP_HEAD:
            return True
        are_sure = takers_are_sure and self.selection is None and not self.paused
        return has_room_for_all(self, needing_room(self, messages), self.ready_consumers if are_sure else ())

    def enter(self, queued: QueuedMessage, lane: Lane, *, is_new: bool) -> None:
        enter(self, queued, lane, is_new=is_new)

    def copy_in(self, origin: QueuedMessage, *, is_owed: bool = True) -> bool:
        return copy_in(self, origin, is_owed=is_owed)

    def return_to(self, queued: QueuedMessage, lane: Lane) -> None:
        return_to(self, queued, lane)

    # ------------------------------------------------------------------ out

    def dispatch(self) -> None:
        """Dispatch ready messages to the consumers with room, one message each in turn."""
        self.touched = False
        if self.returning:
            for lane in self.lanes:
                lane.keep_to(self.scheduler.memory)
            return
        if self.ready_consumers.count:
            if self.featured or self.expiry.watching or len(self.lanes) > 1:
                dispatch_featured(self)
            elif self.lane.ready:
                dispatch_plain(self)
        if self.expiry.watching and not self.fault:
            self.expiry.expire()
        # Keep as much of the queue in memory as allowed, and no more.
        memory = self.scheduler.memory
        if self.draining:
            end_drains(self)
        for lane in self.lanes:
            if lane.bytes != lane.counted:
                lane.keep_to(memory)
            if lane.paged and wants_refill(self, lane):
                self.scheduler.soon(READ, self._read_on, is_possible=can_refill(lane))

    def _read_on(self) -> int:
        """Read on for the windows that are short."""
        done = 0
        for lane in self.lanes:
            if not wants_refill(self, lane):
                continue
            if not can_refill(lane):
                done = NOT_NOW
            elif refill(self, lane):
                # The next dispatch reads on, if the window is still short.
                self.touch()
            elif lane.paged:
                done = NOT_NOW
            elif self.draining:
                # Consumers that drain learn here that there is no more.
                self.touch()
        return done

    def must_hold(self, queued: QueuedMessage, *, no_ack: bool) -> bool:
        """Must a commit record that this message was taken before its client may see it? Ask before it is settled."""
        return must_hold(self, queued, no_ack=no_ack)

    def take(self) -> QueuedMessage | None:
        """The next message, now held (settle it); None when none is at hand.

        An expired message is not returned: it is dropped here. When the window is empty but the store has
        more, None comes back too; the queue goes on by itself once that has been read.
        """
        self.finish_returns()
        return take(self, None)

    def get(self, *, no_ack: bool = False) -> QueuedMessage | None:
        """One message for a client that fetches (basic.get), read from the store at once if necessary.

        ``no_ack``: the caller accepts it at once. None with ``is_reading``: try again when the store has been read.
        """
        self.used()
        self.finish_returns()
        self.scheduler.dispatch()
        queued = self.take()
        if queued is None and self.is_reading:
            for lane in self.lanes:
                if lane.paged and can_refill(lane):
                    refill(self, lane)
            queued = self.take()
        if queued is not None:
            self.counters.fetch(no_ack=no_ack)
            self.watch_deadline(queued)
            self.touch()
        elif not self.is_reading:
            self.counters.found_nothing()
        return queued

    @property
    def is_reading(self) -> bool:
        """Are there ready messages in the store, but none in memory?"""
        if self.paused:
            return False
        if self.selection is not None:
            return self.selection.is_fetching
        return any(lane.paged and not lane.ready for lane in self.lanes)

    # ------------------------------------------------------------------ settlement

    def accept(self, queued: QueuedMessage) -> None:
        self.unsettled -= 1
        queued.settle()
        if queued.stored and not self.deleted:
            self.store.delete(queued)
            if not self.unsettled:
                # Without a mark the commit writes one page fewer.
                for lane in self.lanes:
                    self.store.drop_mark(lane.lane_id)

    def accept_all(self, held: list[QueuedMessage]) -> None:
        self.unsettled -= len(held)
        settle_all(held)
        if self.deleted:
            return
        stored = [queued for queued in held if queued.stored]
        if stored:
            self.store.delete_all(stored)
            if not self.unsettled:
                for lane in self.lanes:
                    self.store.drop_mark(lane.lane_id)

    def release(
        self, held: list[QueuedMessage], delay: int | None = None, *, failed: bool = True, counted: bool = True
    ) -> None:
        if len(held) <= AT_ONCE or not self.scheduler.is_serving:
            requeue(self, held, delay, failed=failed, is_counted=counted)
            return
        if self._returns is None:
            self._returns = Returning(self)
        self.begins_to_return()
        self._returns.add(held, delay, failed=failed, is_counted=counted)

    def has_returned(self) -> None:
        super().has_returned()
        self._returns = None
        if self.deleted:
            return
        self.touch()
        if self.settings.limits_length:
            make_room(self)

    def finish_returns(self) -> None:
        """Put back all returned messages now, before something other than a consumer takes messages."""
        if self._returns is not None and self.returning:
            self._returns.finish()

    def reject(self, queued: QueuedMessage, reason: str = "", condition: str = "") -> None:
        self.unsettled -= 1
        if self.deleted:
            queued.settle()
            self.counters.left("rejected")
            return
        if reason or condition:
            queued.carry(with_reason(queued.message, reason or condition, condition))
        self.discard(queued, "rejected")

    def modify(
        self,
        held: list[QueuedMessage],
        headers: Mapping[str, FieldValue] | None = None,
        *,
        failed: bool = False,
        elsewhere: bool = False,
        delay: int | None = None,
    ) -> bool:
        if headers:
            changed = [annotated(uncounted(self, queued), headers) for queued in held]
            for queued, message in zip(held, changed, strict=True):
                self._change(queued, message)
        if elsewhere and has_dead_letters(self, self.router):
            for queued in held:
                self.reject(queued, UNDELIVERABLE)
            return False
        if elsewhere and not self.deleted:
            self.refuse(held)
        self.release(held, delay, failed=failed, counted=failed)
        return True

    def _change(self, queued: QueuedMessage, message: Message) -> None:
        """Give a held message other headers."""
        queued.carry(message)
        if self.deleted:
            return
        if queued.stored:
            self.store.rewrite(queued)
        self.look_for_group(message)

    def unsettle(self, queued: QueuedMessage) -> None:
        self.unsettled += 1
        queued.hold_again()
        if queued.stored:
            self.store.undelete(queued)
            lane = self.lane_at(queued.row)
            if lane is not None:
                self.store.mark_handed(lane.lane_id, lane.handed & POSITION_MASK)
            for copy in self.store.drop_dependents(queued):
                copy.settlement.lost(copy)

    def renew(self, queued: QueuedMessage, seconds: float) -> bool:
        if self.ack_timeouts is None:
            return queued.state == HELD
        return self.ack_timeouts.renew(queued, seconds)

    def purge(self) -> int:
        """Drop the ready messages, not the held ones; returns how many were dropped."""
        self.finish_returns()
        self.scheduler.dispatch()
        count = sum(lane.clear() for lane in self.lanes)
        if count and self.survives_restart:
            self.store.changed()
        self.has_purged(count)
        self.touch()
        return count

    def has_purged(self, count: int) -> None:
        self.counters.lost_all(count)

    def lost(self, queued: QueuedMessage) -> None:
        lane = self.lane_at(queued.row)
        if queued.state == READY:
            if lane is not None:
                lane.lose(queued)
        elif queued.state == DELAYED:
            if self.delays is not None:
                self.delays.lost(queued)
        elif lane is not None and lane.paged:
            lane.recount()
        if self.keys is not None:
            self.keys.lost(queued)
        queued.kept_as(IN_MEMORY)
        # The loss of a paged message is noticed when the store is read.
        self.touch()

    # ------------------------------------------------------------------ consumers

    def subscribe(self, consumer: Consumer) -> None:
        """Add a consumer; the virtual host checks beforehand that it may be added."""
        self.consumers.add(consumer)
        self.look_at_features()
        if self.selection is not None:
            self.selection.consumers_changed()
        self.used()
        self.begin(consumer)
        self.choose_active()

    def unsubscribe(self, consumer: Consumer) -> None:
        """Remove a consumer; it keeps the messages it holds. An auto-delete queue goes with its last one."""
        if consumer not in self.consumers:
            return
        if self.settings.single_active:
            finish_handing_over(self, consumer)
        was_active = self.settings.single_active and consumer is self.active
        self.withdraw(consumer)
        self.stop_draining(consumer)
        self.consumers.remove(consumer)
        self.used()
        self.look_at_features()
        if self.selection is not None:
            self.selection.consumers_changed(gone=consumer)
        if not self.consumers:
            if self.auto_delete and not self.deleted:
                self._remove(self)
        elif was_active and (active := self.active) is not None:
            active.activity_changed()
            self.begin(active)
        else:
            self.choose_active()

    def choose_active(self) -> None:
        if self.settings.single_active and not self.deleted:
            choose_active(self)

    def caught_up(self, consumer: Consumer) -> None:
        if self.consumers.caught_up(consumer):
            self.choose_active()

    def remove(self) -> None:
        """Ask its virtual host to delete it."""
        self._remove(self)

    # ------------------------------------------------------------------ the end

    def delete(self) -> int:
        """Drop all messages and cancel the consumers; returns how many messages were ready."""
        self.scheduler.dispatch()
        count = self.ready_count
        self.deleted = True
        self.counters.lost_all(count, enqueued=sum(lane.enqueued for lane in self.lanes))
        for part in (self.delays, *self.lanes):
            if part is not None:
                self.give_up_lane(part.lane_id)
        self._let_go()
        consumers, self.consumers = self.consumers, Consumers()
        self.ready_consumers.clear()
        self.draining.clear()
        # No consumers are left, so nothing that refers to the queue is created.
        self.look_at_features()
        for consumer in consumers:
            consumer.cancelled()
        return count

    def close(self) -> None:
        """Its broker is closed."""
        if self._returns is not None:
            self._returns.stop()
        self._let_go()
        # One that still holds messages would keep them, and each of these the queue.
        self.consumers = Consumers()
        self.ready_consumers.clear()
        self.draining.clear()

    def _let_go(self) -> None:
        """Refer to no message and no feature any more, each of which refers to the queue.

        A message would keep it in memory for good, as the collector does not look at messages; a feature for long.
        """
        self.expiry.stop()
        for part in (self.delays, self.keys, self.ack_timeouts):
            if part is not None:
                part.stop()
        for lane in self.lanes:
            lane.end(self.scheduler.memory)
        self.delays = self.keys = self.ack_timeouts = self.selection = None
        self.lanes = []

    def __repr__(self) -> str:
        return f"<Queue {self.name!r} in {self.vhost_name!r}>"
