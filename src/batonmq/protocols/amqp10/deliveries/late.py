"""The deliveries of one session that were held past their ack timeout, and that the client has not settled yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.amqp10.codec.performatives import Disposition, Released
from batonmq.protocols.amqp10.deliveries.serial import runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batonmq.protocols.amqp10.deliveries.channel import Channel
    from batonmq.protocols.amqp10.deliveries.deliveries import Deliveries
    from batonmq.protocols.sessions.turn_end import TurnEnd
    from batonmq.queued import QueuedMessage


class LateDeliveries:
    """Tells the client that they are released, but not settled: that is left to it (part 2 §2.6.12)."""

    __slots__ = ("_channel", "_deliveries", "_late", "_turn_end", "_untold")

    def __init__(self, channel: Channel, deliveries: Deliveries, turn_end: TurnEnd) -> None:
        self._channel = channel
        self._deliveries = deliveries
        self._turn_end = turn_end
        self._late: set[QueuedMessage] = set()
        self._untold: set[QueuedMessage] = set()

    def add(self, queued: QueuedMessage) -> None:
        """A delivery was taken back; the client is told when the turn ends."""
        self._late.add(queued)
        self._untold.add(queued)
        self._turn_end.wait(self)

    def drop(self, queued: QueuedMessage) -> None:
        """It is settled."""
        self._late.discard(queued)
        self._untold.discard(queued)

    def held_again(self, back: Iterable[QueuedMessage]) -> None:
        """The client can decide on deliveries again: it is told of those that were taken back meanwhile."""
        self._untold |= self._late.intersection(back)
        self.sent_more()

    def sent_more(self) -> None:
        """The client was sent more of what has waited for its window."""
        if self._untold:
            self._turn_end.wait(self)

    def turn_ended(self) -> None:
        """Tell the client of those that it has been sent; it is told of the others once it has them."""
        ids, self._untold = self._deliveries.sent(self._untold)
        for first, last in runs(ids):
            self._say(first, last, settled=False)

    def end(self, taken: list[tuple[int, QueuedMessage]]) -> list[int]:
        """End the late ones among deliveries that were taken, without effect; returns their ids."""
        late = self._late
        ended = [(number, queued) for number, queued in taken if queued in late]
        for _, queued in ended:
            queued.settlement.release([queued])
        return [number for number, _ in ended]

    def settle(self, first: int, last: int, *, settled: bool) -> None:
        """The client has an outcome for deliveries from first to last: the late ones among them end, without effect.

        ``settled``: the client has settled them. Otherwise it is told that they are, and what has become of them.
        """
        if not self._late:
            return
        deliveries = self._deliveries
        ids = [number for number in deliveries.named(first, last) if deliveries.find(number) in self._late]
        for queued in deliveries.take(ids):
            queued.settlement.release([queued])
        if not settled:
            for each in runs(ids):
                self._say(*each, settled=True)

    def _say(self, first: int, last: int, *, settled: bool) -> None:
        self._channel.say(Disposition(role=False, first=first, last=last, settled=settled, state=Released()))
