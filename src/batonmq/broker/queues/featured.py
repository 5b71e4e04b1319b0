"""A queue with its features: the state on which enqueue and dispatch work. ``Queue`` puts these together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.ack_timeout import AckTimeouts
from batonmq.broker.features.dead_letters import bring_again, counted, dead_letter, is_kept_back
from batonmq.broker.features.deduplication import Deduplication
from batonmq.broker.features.delay_lane import no_such_message
from batonmq.broker.features.delays import Delays
from batonmq.broker.features.expiry import Expiry
from batonmq.broker.features.flow_control import FlowControl
from batonmq.broker.features.groups import is_grouped
from batonmq.broker.features.selective import Selection
from batonmq.broker.lanes.state import QueueState
from batonmq.broker.model.consumer import Consumer
from batonmq.queued import GONE, SPILLED, QueuedMessage
from batonmq.store.records import DELAY_LANE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.broker.model.scheduler import Scheduler
    from batonmq.broker.model.settings import Settings
    from batonmq.broker.routing.router import Router
    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.store.records import LaneRecord, StoredMessage


class FeaturedQueue(QueueState):
    """A queue with everything that its settings, messages and consumers need beyond first in, first out."""

    __slots__ = ("ack_timeouts", "delays", "draining", "expiry", "flow_control", "keys", "router", "selection")

    def __init__(
        self,
        name: str,
        vhost_name: str,
        scheduler: Scheduler,
        router: Router,
        *,
        durable: bool,
        survives_restart: bool,
        auto_delete: bool,
        owner: object | None,
        arguments: Mapping[str, FieldValue],
        settings: Settings,
        lanes: Iterable[LaneRecord] | None = None,
    ) -> None:
        """``lanes``: its records in the store, if it is restored. Raises StoreError without a lane that is free."""
        super().__init__(
            name,
            vhost_name,
            scheduler,
            durable=durable,
            survives_restart=survives_restart,
            auto_delete=auto_delete,
            owner=owner,
            arguments=arguments,
            settings=settings,
        )
        self.router = router
        # Selective dispatch, if not every consumer takes the next message.
        self.selection: Selection | None = None
        # Draining consumers, to be told when there is nothing more for them.
        self.draining: dict[Consumer, None] = {}
        self.expiry = Expiry(self)
        self.flow_control = FlowControl()
        # Delayed messages, known deduplication keys, deliveries with an ack timeout; None: there are none.
        self.delays: Delays | None = None
        self.keys: Deduplication | None = None
        self.ack_timeouts: AckTimeouts | None = None
        for record in lanes or ():
            if record.priority == DELAY_LANE:
                self.delays = Delays(self, record)
            else:
                self.add_lane(record.priority, record)
        self.lane = self.lane_of(0)
        self.look_at_features()
        if lanes is not None and (known := self.store.read_dedup_keys(self.lane.lane_id)):
            self.keys = Deduplication(self, known)
        self.expiry.look_at_paged()
        self.touch()

    # ------------------------------------------------------------------ what waits, came before, must be settled

    def delaying(self) -> Delays:
        """The delayed messages. Raises StoreError when the store has no lanes left."""
        if self.delays is None:
            self.delays = Delays(self)
        return self.delays

    def postpone(self, message: Message, due: int) -> None:
        self.delaying().add(message, due)

    @property
    def delayed_count(self) -> int:
        return self.delays.count if self.delays is not None else 0

    @property
    def delayed_bytes(self) -> int:
        return self.delays.size if self.delays is not None else 0

    def cancel_delayed(self, number: int) -> bool:
        """Drop the delayed message of that number; False: ask again once the store was read further.

        Raises NotFound, StoreError.
        """
        return self._delays_with(number).cancel(number)

    def deliver_delayed(self, number: int) -> bool:
        """Deliver the delayed message of that number now, as when it is due; of a repeated one, a copy.

        False: ask again once the store was read further. Raises NotFound, StoreError, and ResourceError when the queue
        is full.
        """
        return self._delays_with(number).deliver(number)

    def _delays_with(self, number: int) -> Delays:
        if self.delays is None:
            raise no_such_message(self, number)
        return self.delays

    def try_again(self, queued: QueuedMessage) -> int | None:
        return bring_again(self, self.router, queued) if is_kept_back(self, queued.message) else None

    def deduplication(self) -> Deduplication:
        """The known deduplication keys."""
        if self.keys is None:
            self.keys = Deduplication(self, [])
        return self.keys

    def watch_deadline(self, queued: QueuedMessage, holder: Consumer | None = None, timeout: int | None = None) -> None:
        """Watch a delivered message if it has an ack timeout; ``timeout``: in ms, instead of that of the settings."""
        if timeout is None and holder is not None:
            timeout = holder.timeout
        if timeout is None:
            timeout = self.settings.consumer_timeout
        if timeout is not None:
            if self.ack_timeouts is None:
                self.ack_timeouts = AckTimeouts(self)
            self.ack_timeouts.watch(queued, timeout)

    # ------------------------------------------------------------------ what the lanes tell

    def paged_out(self, queued: QueuedMessage) -> None:
        if queued.stored == SPILLED:
            self.spilled = True
        if queued.expires_at:
            self.expiry.watch_paged(queued.expires_at)

    def paged_in(self, queued: QueuedMessage) -> None:
        if queued.expires_at:
            self.expiry.watch(queued)
        if not queued.message.properties.plain:
            self.look_for_group(queued.message)

    def revive(self, stored: StoredMessage) -> QueuedMessage:
        message = stored.message
        if stored.return_count and self.settings.counts_deliveries:
            message = counted(message, stored.return_count)
        queued = QueuedMessage(message, self, stored.row, stored.stored)
        queued.count_as(stored.returns)
        queued.expire_at(stored.expires_at)
        if not message.properties.plain:
            self.look_for_group(message)
        return queued

    # ------------------------------------------------------------------ which way messages take

    def look_at_features(self) -> None:
        """Decide again whether messages take the plain path or the path through the features."""
        consumers = self.consumers
        if consumers.choosy:
            self.selection = self.selection or Selection(self)
        elif self.selection is not None and not self.selection.is_needed:
            self.selection = None
        self.featured = (
            self.settings.shapes_the_queue
            or self.paused
            or self.deleted
            or self.selection is not None
            or consumers.special > 0
        )

    def look_for_group(self, message: Message) -> None:
        """Turn on message groups with the first message that has a group."""
        selection = self.selection
        if selection is not None and selection.is_grouped:
            return
        if is_grouped(message, self.settings.group_header):
            if selection is None:
                self.selection = Selection(self, is_grouped=True)
            else:
                selection.group()
            self.featured = True

    def refuse(self, held: list[QueuedMessage]) -> None:
        """Do not deliver these messages again to the consumers that hold them now."""
        for queued in held:
            # A client that fetches messages one by one is not a consumer.
            if isinstance(queued.holder, Consumer) and queued.holder in self.consumers:
                if self.selection is None:
                    self.selection = Selection(self)
                    self.featured = True
                self.selection.refuse(queued.row, queued.holder)

    # ------------------------------------------------------------------ consumers with room

    def offer(self, consumer: Consumer) -> None:
        """Add a consumer to the ready ones: it has room, or has room again."""
        if not consumer.waiting and (not self.settings.single_active or self._serves(consumer)):
            self.ready_consumers.join(consumer)
            if not self.touched:
                self.touch()

    def withdraw(self, consumer: Consumer) -> None:
        if consumer.waiting:
            self.ready_consumers.leave(consumer)

    def drain(self, consumer: Consumer) -> None:
        self.draining[consumer] = None
        if consumer.has_room():
            self.offer(consumer)
        if not self.touched:
            self.touch()

    def stop_draining(self, consumer: Consumer) -> None:
        self.draining.pop(consumer, None)

    def begin(self, consumer: Consumer) -> None:
        """Serve a consumer if it has room, or have it ask when it has."""
        if consumer.has_room():
            self.offer(consumer)
        else:
            consumer.passed_over()

    @property
    def active(self) -> Consumer | None:
        """The consumer that is served in a queue with a single active consumer."""
        return self.consumers.active

    def _serves(self, consumer: Consumer) -> bool:
        return self.active is consumer and not self.consumers.is_handing_over

    # ------------------------------------------------------------------ what is counted, and leaves

    def has_refused(self, *, is_dead_letter: bool) -> None:
        """Count a message that the full queue refused; it may have become a dead letter instead."""
        self.counters.refuse(is_dead_letter=is_dead_letter)

    def has_entered_again(self) -> None:
        """Do not count a message again that was in the queue before and takes another place."""
        self.counters.enter_again()

    def passed_on(self, batch: list[QueuedMessage]) -> None:
        """Settle a batch that was delivered without acknowledgements."""
        self.passed += len(batch)
        for queued in batch:
            queued.settle()
            if queued.stored:
                self.store.delete(queued)

    def discard(self, queued: QueuedMessage, reason: str) -> None:
        if queued.state != GONE:
            queued.leave()
        is_dead_letter = dead_letter(self, self.router, queued, reason)
        self.counters.left(reason, is_dead_letter=is_dead_letter)
        if queued.stored:
            self.store.delete(queued)
