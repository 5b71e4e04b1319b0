"""The outcomes of a client's deliveries on one session, many in one disposition (part 2 §2.7.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker import REFUSED, STORED
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Accepted, Disposition, Rejected
from batonmq.protocols.amqp10.codec.values import Symbol
from batonmq.protocols.amqp10.deliveries.serial import MASK
from batonmq.protocols.amqp10.failures import make_error
from batonmq.protocols.amqp10.messages.field_values import text_or_octets
from batonmq.protocols.sessions.unconfirmed import Unconfirmed

if TYPE_CHECKING:
    from typing import TypeAlias

    from batonmq.broker import Broker
    from batonmq.errors import StoreError
    from batonmq.protocols.amqp10.codec.performatives import DeliveryState
    from batonmq.protocols.amqp10.deliveries.channel import Channel
    from batonmq.protocols.sessions.commit_barrier import CommitBarrier
    from batonmq.protocols.sessions.counts import MessageCounts
    from batonmq.protocols.sessions.turn_end import TurnEnd

    Run: TypeAlias = list[int]
    """The first and the last delivery-id, the number of deliveries, and whether they are settled by us at once."""

ACCEPTED: Final = Accepted()

FIRST: Final = 0
LAST: Final = 1
COUNT: Final = 2
IS_SETTLED: Final = 3


class Receipts:
    """Sends a client the outcomes of its deliveries; for stored ones after the store's commit."""

    __slots__ = (
        "_barrier",
        "_broker",
        "_channel",
        "_counts",
        "_last_batch",
        "_last_runs",
        "_ready",
        "_stored_batch",
        "_turn_end",
        "_unconfirmed",
    )

    def __init__(
        self, channel: Channel, broker: Broker, barrier: CommitBarrier, turn_end: TurnEnd, counts: MessageCounts
    ) -> None:
        self._channel = channel
        self._broker = broker
        self._barrier = barrier
        self._turn_end = turn_end
        self._counts = counts
        self._ready: list[Run] = []
        self._unconfirmed: Unconfirmed[list[Run]] = Unconfirmed()
        # The deliveries that wait for the current batch of the store, and can still grow.
        self._last_batch = 0
        self._last_runs: list[Run] = []
        # The last batch with a delivery that came settled; 0: none.
        self._stored_batch = 0

    def note(self, outcome: int, first: int, count: int, *, is_settled: bool, queue: str = "") -> None:
        """Note the outcome of ``count`` consecutive deliveries: KEPT, STORED or REFUSED.

        ``is_settled``: one disposition with the outcome settles them. False in mode second: the outcome is sent first,
        and settled after that. By part 2 §2.7.3 the client would settle in between, but some clients that ask for this
        mode never do, and wait for us (Azure's pyamqp), and nothing here depends on it.

        ``queue`` is the name of their only queue; "": there are several.
        """
        self._counts.add_published(count)
        if outcome == STORED:
            self._barrier.await_commit(patient=True)
            batch = self._broker.store.batch
            if batch != self._last_batch or not self._unconfirmed:
                self._last_batch = batch
                self._last_runs = []
                self._unconfirmed.add(batch, self._last_runs)
            _append(self._last_runs, first, count, is_settled=is_settled)
        elif outcome == REFUSED:
            self._counts.add_refused(1)
            self.tell(_full(queue), first, is_settled=is_settled)
        else:
            _append(self._ready, first, count, is_settled=is_settled)
            self._turn_end.wait(self)

    def note_settled(self, outcome: int, count: int) -> None:
        """Note deliveries that came settled: the client gets no outcome, unless the store fails."""
        self._counts.add_published(count)
        if outcome == STORED:
            self._barrier.await_commit(patient=True)
            self._stored_batch = self._broker.store.batch
        elif outcome == REFUSED:
            self._counts.add_refused(count)

    def refuse(self, outcome: DeliveryState, delivery_id: int, *, is_settled: bool) -> None:
        """Send the outcome of a refused delivery."""
        self._counts.add_published(1)
        self._counts.add_refused(1)
        self.tell(outcome, delivery_id, is_settled=is_settled)

    def tell(self, state: DeliveryState, delivery_id: int, *, is_settled: bool) -> None:
        """Send one delivery's outcome, which may be provisional."""
        self.turn_ended()
        self._say(delivery_id, delivery_id, state, is_settled=is_settled)

    def turn_ended(self) -> None:
        """Send the outcomes that are ready."""
        if not self._ready:
            return
        ready, self._ready = self._ready, []
        for first, last, count, is_settled in ready:
            self._say(first, last, ACCEPTED, is_settled=bool(is_settled))
            self._counts.add_confirmed(count)

    def batch_committed(self, batch: int) -> None:
        """Everything up to this batch is on the disk."""
        for runs in self._unconfirmed.take(batch):
            self._ready += runs
        if self._ready:
            self._turn_end.wait(self)
        if self._stored_batch <= batch:
            self._stored_batch = 0
        self._look_further()

    def batch_failed(self, batch: int, error: StoreError) -> bool:
        """The messages of these batches are not kept. True: some came settled, so the client was not told."""
        outcome = Rejected(error=make_error(conditions.RESOURCE_LIMIT_EXCEEDED, error.reason))
        for runs in self._unconfirmed.take(batch):
            for first, last, count, is_settled in runs:
                self._say(first, last, outcome, is_settled=bool(is_settled))
                self._counts.add_refused(count)
        is_untold = 0 < self._stored_batch <= batch
        if is_untold:
            self._stored_batch = 0
        self._look_further()
        return is_untold

    def _look_further(self) -> None:
        """Wait for the next commit, too, if any deliveries depend on it."""
        if self._unconfirmed or self._stored_batch:
            self._barrier.await_commit(patient=True)

    def clear(self) -> None:
        """The session ends: send no more outcomes."""
        self._ready = []
        self._unconfirmed.clear()

    def _say(self, first: int, last: int, outcome: DeliveryState, *, is_settled: bool) -> None:
        end = last if last != first else None
        if not is_settled:
            self._channel.say(Disposition(role=True, first=first, last=end, state=outcome))
        self._channel.say(Disposition(role=True, first=first, last=end, settled=True, state=outcome))


def _full(queue: str) -> Rejected:
    """RabbitMQ's outcome for a full queue, with its name if that is known."""
    text = f"queue '{queue}' exceeded maximum length" if queue else "a queue exceeded its maximum length"
    info: dict[Symbol, object] = {Symbol("reason"): "maxlen"}
    if queue:
        info[Symbol("queue")] = text_or_octets(queue)
    return Rejected(error=make_error(conditions.RESOURCE_LIMIT_EXCEEDED, text, info))


def _append(runs: list[Run], first: int, count: int, *, is_settled: bool) -> None:
    """Add deliveries, to the last run if they continue it."""
    last = first + count - 1 & MASK
    if runs:
        run = runs[-1]
        if run[LAST] + 1 & MASK == first and run[IS_SETTLED] == is_settled and run[LAST] < first:
            run[LAST] = last
            run[COUNT] += count
            return
    runs.append([first, last, count, is_settled])
