"""The deliveries of one channel, and the unsettled ones by delivery tag (AMQP 0-9-1 §1.8.3.13)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from batonmq.protocols.amqp091.constants import ACK
from batonmq.protocols.amqp091.encoder import append_deliveries
from batonmq.protocols.amqp091.failures import ProtocolFailure
from batonmq.protocols.amqp091.unsettled import Unsettled

if TYPE_CHECKING:
    from batonmq.protocols.amqp091.encoder import DeliverPrefix
    from batonmq.protocols.amqp091.parser import Event
    from batonmq.protocols.sessions.counts import MessageCounts
    from batonmq.protocols.sessions.output import Output
    from batonmq.queued import QueuedMessage

# The approximate octets of a delivery without its body, for the limit of the output.
FRAMING_OCTETS: Final = 128


class Deliveries:
    """The deliveries of one channel. Delivery tags begin with 1, and go up by one with each delivery."""

    __slots__ = ("_counts", "_frame_max", "_last_tag", "_number", "_output", "_settled_up_to", "_unsettled")

    def __init__(self, number: int, output: Output, counts: MessageCounts, frame_max: int) -> None:
        self._number = number
        self._output = output
        self._counts = counts
        self._frame_max = frame_max
        self._last_tag = 0
        self._unsettled = Unsettled()
        # All tags below are settled.
        self._settled_up_to = 1

    # ------------------------------------------------------------------ out

    def send(
        self, prefix: DeliverPrefix, batch: list[QueuedMessage], shown: list[QueuedMessage], *, no_ack: bool
    ) -> None:
        """Deliver a batch to the consumer of that prefix; ``shown``: the messages as it sees them, mostly unchanged."""
        output = self._output
        tag = self._last_tag + 1
        append_deliveries(output.begin(), prefix, tag, self._number, shown, self._frame_max)
        count = len(batch)
        self._last_tag += count
        size = FRAMING_OCTETS * count
        redelivered = 0
        for queued in batch:
            size += queued.message.size
            if queued.returns:
                redelivered += 1
        if not no_ack:
            self._unsettled.add_all(tag, batch)
        output.count(size)
        self._counts.add_delivered(count, redelivered, no_ack=no_ack)

    def number(self, queued: QueuedMessage, *, no_ack: bool) -> int:
        """Give a delivery tag to a message that is delivered by itself (basic.get)."""
        self._last_tag = tag = self._last_tag + 1
        if not no_ack:
            self._unsettled.add(tag, queued)
        self._counts.add_fetched(1 if queued.returns else 0, no_ack=no_ack)
        return tag

    def found_none(self) -> None:
        """Note that basic.get found no message."""
        self._counts.add_empty()

    # ------------------------------------------------------------------ unsettled

    @property
    def unsettled(self) -> int:
        """The number of unsettled deliveries, fetched ones included."""
        return self._unsettled.count

    def first(self, most: int) -> list[QueuedMessage]:
        """The first so many unsettled deliveries."""
        return [queued for _, queued in islice(self._unsettled.items(), most)]

    def held_by_consumers(self) -> int:
        """The number of unsettled deliveries, without fetched ones."""
        return sum(1 for _, queued in self._unsettled.items() if queued.holder is not None)

    def find(self, tag: int) -> QueuedMessage | None:
        """The unsettled delivery of that tag; None: there is none."""
        return self._unsettled.get(tag)

    def pop(self, tag: int) -> QueuedMessage | None:
        """Take the unsettled delivery of that tag, to be settled; None: there is none."""
        return self._unsettled.pop(tag)

    def take(self, tag: int, *, multiple: bool) -> list[tuple[int, QueuedMessage]]:
        """Take the deliveries that a tag names, to be settled. Raises ProtocolFailure for an unknown tag.

        With ``multiple`` those up to the tag, and 0 names all.
        """
        unsettled = self._unsettled
        if not multiple:
            queued = unsettled.pop(tag)
            if queued is None:
                raise _unknown(tag)
            return [(tag, queued)]
        if tag == 0:
            return self.take_all()
        self._check(tag)
        taken = []
        # Lower tags were settled already; each number is visited once in the life of the channel.
        for number in range(self._settled_up_to, tag + 1):
            queued = unsettled.pop(number)
            if queued is not None:
                taken.append((number, queued))
        if not taken:
            raise _unknown(tag)
        self._settled_up_to = tag + 1
        return taken

    def take_up_to(self, tag: int) -> list[QueuedMessage]:
        """Like `take` with ``multiple``, without the tags: for immediate settlement."""
        if tag == 0:
            return [queued for _, queued in self.take_all()]
        self._check(tag)
        taken = self._unsettled.pop_all(self._settled_up_to, tag)
        if not taken:
            raise _unknown(tag)
        self._settled_up_to = tag + 1
        return taken

    def _check(self, tag: int) -> None:
        """Raises ProtocolFailure for a tag up to which nothing can be settled."""
        if tag > self._last_tag or (tag < self._settled_up_to and self._unsettled.get(tag) is None):
            raise _unknown(tag)

    def take_run(self, events: list[Event], at: int) -> list[QueuedMessage]:
        """Take the deliveries of consecutive single acknowledgements from ``at`` on, up to a wrong one.

        Most clients send one acknowledgement per message. Raises ProtocolFailure when the first is wrong.
        """
        unsettled = self._unsettled
        number = self._number
        taken: list[QueuedMessage] = []
        end = len(events)
        while at < end:
            event = events[at]
            if event[0] != ACK or event[3] or event[1] != number:
                break
            queued = unsettled.pop(event[2])
            if queued is None:
                if not taken:
                    raise _unknown(event[2])
                break
            taken.append(queued)
            at += 1
        return taken

    def take_all(self) -> list[tuple[int, QueuedMessage]]:
        """Take all unsettled deliveries, in order."""
        taken = list(self._unsettled.items())
        self._unsettled.clear()
        return taken

    def put_back(self, back: list[tuple[int, QueuedMessage]]) -> None:
        """Put deliveries back under their tags: they are unsettled again."""
        if back:
            for tag, queued in back:
                self._unsettled.add(tag, queued)
            self._settled_up_to = min(self._settled_up_to, *(tag for tag, _ in back))


def _unknown(tag: int) -> ProtocolFailure:
    return ProtocolFailure(406, f"unknown delivery tag {tag}")
