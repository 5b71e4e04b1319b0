"""Counters of the messages that went over one connection, and over each of its channels, for listings."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# A compiled class keeps no __slots__ that could be asked for its names.
_COUNTERS: Final = (
    "accepted",
    "confirmed",
    "delivered",
    "delivered_no_ack",
    "dropped",
    "fetched",
    "fetched_empty",
    "fetched_no_ack",
    "published",
    "redelivered",
    "refused",
    "rejected",
    "requeued",
    "unroutable",
)


class MessageCounts:
    """Numbers of messages since a channel was opened; none of them ever falls. Batches are counted at once."""

    __slots__ = _COUNTERS

    def __init__(self) -> None:
        self.published = 0
        """Messages that the client published, whatever their outcome."""
        self.confirmed = 0
        """Of these, confirmed ones: publisher confirms, receipts."""
        self.refused = 0
        """Of these, refused ones: by the store or by a full queue."""
        self.unroutable = 0
        """Of these, unroutable ones that were returned to the client."""
        self.dropped = 0
        """Of these, unroutable ones that were dropped."""
        self.delivered = 0
        """Messages delivered to the client, fetched ones included."""
        self.delivered_no_ack = 0
        """Of these, deliveries that need no acknowledgement."""
        self.fetched = 0
        """Of the deliveries, fetched ones."""
        self.fetched_no_ack = 0
        """Of the fetched ones, those that need no acknowledgement."""
        self.fetched_empty = 0
        """Fetches that found no message."""
        self.redelivered = 0
        """Of the deliveries, redeliveries."""
        self.accepted = 0
        """Messages that the client accepted. Deliveries that need no acknowledgement do not count."""
        self.requeued = 0
        """Messages that went back to their queues, given back by the client or because it left."""
        self.rejected = 0
        """Messages that the client rejected."""

    def listed(self) -> dict[str, int]:
        """The counters by name."""
        return {name: getattr(self, name) for name in _COUNTERS}

    def take_from(self, other: MessageCounts) -> None:
        """Add the other's counters to these, and set the other's to 0."""
        # Most of thousands of channels that close at once have counted nothing.
        if any(_VALUES(other)):
            self.add(other)
            for name in _COUNTERS:
                setattr(other, name, 0)

    def add_published(self, count: int) -> None:
        """Count published messages."""
        self.published += count

    def add_confirmed(self, count: int) -> None:
        """Count confirmed messages."""
        self.confirmed += count

    def add_refused(self, count: int) -> None:
        """Count refused messages."""
        self.refused += count

    def add_unroutable(self) -> None:
        """Count a message that was returned to its publisher."""
        self.unroutable += 1

    def add_dropped(self) -> None:
        """Count an unroutable message that was dropped."""
        self.dropped += 1

    def add_delivered(self, count: int, redelivered: int, *, no_ack: bool) -> None:
        """Count deliveries to a consumer, ``redelivered`` of which are redeliveries."""
        self.delivered += count
        self.redelivered += redelivered
        if no_ack:
            self.delivered_no_ack += count

    def add_fetched(self, redelivered: int, *, no_ack: bool) -> None:
        """Count a fetched message; ``redelivered`` is 1 for a redelivery."""
        self.delivered += 1
        self.redelivered += redelivered
        self.fetched += 1
        self.fetched_no_ack += no_ack

    def add_empty(self) -> None:
        """Count a fetch that found no message."""
        self.fetched_empty += 1

    def add_accepted(self, count: int) -> None:
        """Count accepted messages."""
        self.accepted += count

    def add(self, other: MessageCounts) -> None:
        """Add the other's counters to these."""
        for name in _COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def add_requeued(self, count: int) -> None:
        """Count messages that were given back."""
        self.requeued += count

    def add_rejected(self, count: int) -> None:
        """Count rejected messages."""
        self.rejected += count


_VALUES: Callable[[MessageCounts], tuple[int, ...]] = attrgetter(*_COUNTERS)


class ConnectionCounts:
    """The counters of one connection: of each open channel, and of all closed ones together."""

    __slots__ = ("_open", "direct")

    def __init__(self) -> None:
        self.direct = MessageCounts()
        """The counts of closed channels, and of protocols without channels."""
        self._open: dict[MessageCounts, None] = {}

    def open(self) -> MessageCounts:
        """The counters of a channel that is opened."""
        counts = MessageCounts()
        self._open[counts] = None
        return counts

    def close(self, counts: MessageCounts) -> None:
        """The channel is closed. Call it again if something was counted after that."""
        self._open.pop(counts, None)
        self.direct.take_from(counts)

    def listed(self) -> dict[str, int]:
        """The sums over all channels, by name."""
        if not self._open:
            return self.direct.listed()
        values = zip(_VALUES(self.direct), *map(_VALUES, self._open), strict=True)
        return dict(zip(_COUNTERS, map(sum, values), strict=True))
