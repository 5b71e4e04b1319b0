"""What becomes of the deliveries that a client sends on one session: dispositions, many in one (part 2 §2.7.6)."""

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
    """The first delivery and the last, by delivery-id, and how many; and whether the client need not settle them."""

ACCEPTED: Final = Accepted()

FIRST: Final = 0
LAST: Final = 1
COUNT: Final = 2
IS_SETTLED: Final = 3


class Receipts:
    """Tells a client what became of its deliveries: of those that are stored when the store's commit has returned."""

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
        # Those that wait for that batch of the store, to which more may come.
        self._last_batch = 0
        self._last_runs: list[Run] = []
        # The last batch that has a delivery in it which came settled; 0: none.
        self._stored_batch = 0

    def note(self, outcome: int, first: int, count: int, *, is_settled: bool, queue: str = "") -> None:
        """Note one outcome of ``count`` deliveries in a row: KEPT, STORED or REFUSED. ``is_settled``: no answer is due.

        ``is_settled`` False in mode second: the client hears the outcome first, and that it is settled next. It would
        settle in between by part 2 §2.7.3, but some that ask for this mode never do and wait for us (Azure's pyamqp),
        and nothing that is kept here would depend on it.

        ``queue`` is the name of the only one that they are for; "": there are several.
        """
        self._counts.add_published(count)
        if outcome == STORED:
            self._barrier.await_commit()
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
        """That many deliveries came settled: nobody is told of them, unless the store fails."""
        self._counts.add_published(count)
        if outcome == STORED:
            self._barrier.await_commit()
            self._stored_batch = self._broker.store.batch
        elif outcome == REFUSED:
            self._counts.add_refused(count)

    def refuse(self, outcome: DeliveryState, delivery_id: int, *, is_settled: bool) -> None:
        """One delivery was not taken."""
        self._counts.add_published(1)
        self._counts.add_refused(1)
        self.tell(outcome, delivery_id, is_settled=is_settled)

    def tell(self, state: DeliveryState, delivery_id: int, *, is_settled: bool) -> None:
        """What one delivery has come to, or come to for now."""
        self.turn_ended()
        self._say(delivery_id, delivery_id, state, is_settled=is_settled)

    def turn_ended(self) -> None:
        """Say what is ready."""
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
        """The messages of these batches are not kept. True: some came settled, so that nobody was told."""
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
        """Have the session told of the next commit, too, if anything waits for it."""
        if self._unconfirmed or self._stored_batch:
            self._barrier.await_commit()

    def clear(self) -> None:
        """The session ends: nobody is told any more."""
        self._ready = []
        self._unconfirmed.clear()

    def _say(self, first: int, last: int, outcome: DeliveryState, *, is_settled: bool) -> None:
        end = last if last != first else None
        if not is_settled:
            self._channel.say(Disposition(role=True, first=first, last=end, state=outcome))
        self._channel.say(Disposition(role=True, first=first, last=end, settled=True, state=outcome))


def _full(queue: str) -> Rejected:
    """What RabbitMQ says of a queue that takes no more, as far as is known which it is."""
    text = f"queue '{queue}' exceeded maximum length" if queue else "a queue exceeded its maximum length"
    info: dict[Symbol, object] = {Symbol("reason"): "maxlen"}
    if queue:
        info[Symbol("queue")] = text_or_octets(queue)
    return Rejected(error=make_error(conditions.RESOURCE_LIMIT_EXCEEDED, text, info))


def _append(runs: list[Run], first: int, count: int, *, is_settled: bool) -> None:
    """Add that many deliveries, which continue the last run if they can."""
    last = first + count - 1 & MASK
    if runs:
        run = runs[-1]
        if run[LAST] + 1 & MASK == first and run[IS_SETTLED] == is_settled and run[LAST] < first:
            run[LAST] = last
            run[COUNT] += count
            return
    runs.append([first, last, count, is_settled])
