"""Publisher confirms of one channel: RabbitMQ's extension, with basic.ack and basic.nack from the server."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from batonmq.broker import REFUSED, STORED
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.encoder import ack_frame, method_frame
from batonmq.protocols.sessions.unconfirmed import Unconfirmed

if TYPE_CHECKING:
    from batonmq.broker import Broker
    from batonmq.protocols.sessions.commit_barrier import CommitBarrier
    from batonmq.protocols.sessions.counts import MessageCounts
    from batonmq.protocols.sessions.output import Output
    from batonmq.protocols.sessions.turn_end import TurnEnd


class Confirms:
    """Numbers publishes, and confirms those that are safe when the turn ends, in order and many at once."""

    __slots__ = (
        "_barrier",
        "_broker",
        "_confirmable",
        "_confirmed",
        "_counts",
        "_number",
        "_output",
        "_published",
        "_refused",
        "_stored_batch",
        "_turn_end",
        "is_on",
        "unconfirmed",
    )

    def __init__(
        self,
        number: int,
        broker: Broker,
        barrier: CommitBarrier,
        output: Output,
        turn_end: TurnEnd,
        counts: MessageCounts,
    ) -> None:
        """``number`` is the channel's."""
        self._number = number
        self._broker = broker
        self._barrier = barrier
        self._output = output
        self._turn_end = turn_end
        self._counts = counts
        self.is_on = False
        """Did the client ask for confirms?"""
        # The numbers of the last publish, of the last that may be confirmed, and of the last that was.
        self._published = self._confirmable = self._confirmed = 0
        # Publishes above the last confirmed one that got their basic.nack.
        self._refused: deque[int] = deque()
        self.unconfirmed: Unconfirmed[int] = Unconfirmed()
        """The last publish waiting for each batch of the store."""
        # The last batch with a publish of this channel before confirm.select; 0: none.
        self._stored_batch = 0

    def select(self) -> None:
        """confirm.select."""
        self.is_on = True

    @property
    def waiting(self) -> int:
        """The number of publishes without basic.ack or basic.nack."""
        return max(0, self._published - self._confirmed - len(self._refused)) if self.is_on else 0

    def note(self, outcome: int, count: int) -> None:
        """Note the outcome of that many publishes: KEPT, STORED or REFUSED."""
        self._counts.add_published(count)
        if outcome == STORED:
            self._barrier.await_commit(patient=True)
        if not self.is_on:
            if outcome == STORED:
                self._stored_batch = self._broker.store.batch
            return
        self._published = number = self._published + count
        unconfirmed = self.unconfirmed
        if outcome == STORED:
            unconfirmed.add_cumulative(self._broker.store.batch, number)
            return
        if outcome == REFUSED:
            self._nack(number, number)
            self._refused.append(number)
        # Only the confirms before it are waited for.
        if unconfirmed:
            unconfirmed.replace_last(number)
        else:
            self._confirmable = number
            self._turn_end.wait(self)

    def turn_ended(self) -> None:
        """Send one cumulative basic.ack for all publishes that became safe since the last one, without those nacked."""
        up_to = self._confirmable
        if up_to <= self._confirmed:
            return
        # Straight into the output, which is taken when this turn ends.
        chunks = self._output.chunks
        for first, last in self._not_refused(up_to) if self._refused else ((self._confirmed + 1, up_to),):
            chunks.append(ack_frame(self._number, last, multiple=last > first))
            self._counts.add_confirmed(last - first + 1)
        self._confirmed = up_to

    def batch_committed(self, batch: int) -> None:
        """Everything up to this batch is on the disk."""
        for number in self.unconfirmed.take(batch):
            self._confirmable = number
        self._turn_end.wait(self)

    def batch_failed(self, batch: int) -> bool:
        """The messages of these batches are not kept. True: their publisher asked for no confirms, and must be told."""
        lost = self.unconfirmed.take(batch)
        if lost:
            for first, last in self._not_refused(lost[-1]):
                self._nack(first, last)
            self._confirmable = self._confirmed = lost[-1]
        elif self._stored_batch and self._stored_batch <= batch:
            self._stored_batch = 0
            return True
        return False

    def clear(self) -> None:
        """The channel ends: no confirm follows."""
        self.is_on = False
        self.unconfirmed.clear()
        self._confirmable = self._confirmed = 0

    def _nack(self, first: int, last: int) -> None:
        nack = methods.BasicNack(delivery_tag=last, multiple=last > first, requeue=False)
        self._output.send(method_frame(self._number, nack))
        self._counts.add_refused(last - first + 1)

    def _not_refused(self, up_to: int) -> list[tuple[int, int]]:
        """The runs of publishes between refused ones, as first and last: no tag is confirmed twice."""
        runs: list[tuple[int, int]] = []
        first = self._confirmed + 1
        refused = self._refused
        while refused and refused[0] <= up_to:
            number = refused.popleft()
            if number > first:
                runs.append((first, number - 1))
            first = number + 1
        if first <= up_to:
            runs.append((first, up_to))
        return runs
