"""Counters of messages: of a queue or all queues of a virtual host since they were made or restored, of an exchange."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Counters:
    """Numbers of messages, which never fall.

    They are counted off the common path, and once for each dispatched batch. The numbers of published and accepted
    messages follow from these and the queue's state, so that the plain path counts nothing.
    """

    enqueued: int = 0
    """Messages that entered the queue: published, moved, dead-lettered to it, or fallen due."""
    delivered: int = 0
    """Deliveries to consumers, and fetches."""
    delivered_no_ack: int = 0
    """Of these, deliveries that need no acknowledgement."""
    fetched: int = 0
    """Of these, fetches (basic.get)."""
    fetched_no_ack: int = 0
    """Of the fetches, those that need no acknowledgement."""
    fetched_empty: int = 0
    """Fetches that found no message."""
    redelivered: int = 0
    """Of the deliveries, redeliveries."""
    accepted: int = 0
    """Messages that are accepted, or delivered without a need to accept."""
    returned: int = 0
    """Messages that were given back or taken back, wherever they went."""
    rejected: int = 0
    """Messages that a consumer rejected."""
    expired: int = 0
    """Messages that expired."""
    dropped: int = 0
    """Messages that were pushed out by a length limit."""
    given_up: int = 0
    """Messages that had come back too often."""
    dead_lettered: int = 0
    """Messages that were dead-lettered, for whatever reason."""
    refused: int = 0
    """Messages that were refused by the full queue."""
    purged: int = 0
    """Messages that were purged, or gone with their queue."""

    def redeliver(self, count: int) -> None:
        """Count redeliveries."""
        self.redelivered += count

    def fetch(self, *, no_ack: bool) -> None:
        """Count a fetched message."""
        self.fetched += 1
        self.fetched_no_ack += no_ack

    def found_nothing(self) -> None:
        """Count a fetch that found no message."""
        self.fetched_empty += 1

    def gave_back(self, count: int) -> None:
        """Count messages given back by their holders, or taken back."""
        self.returned += count

    def left(self, reason: str, *, is_dead_letter: bool = False) -> None:
        """Count a message that leaves as 'rejected', 'expired', 'maxlen' or 'delivery_limit'."""
        if reason == "rejected":
            self.rejected += 1
        elif reason == "expired":
            self.expired += 1
        elif reason == "maxlen":
            self.dropped += 1
        else:
            self.given_up += 1
        self.dead_lettered += is_dead_letter

    def refuse(self, *, is_dead_letter: bool) -> None:
        """Count a message that a full queue refused; it may have become a dead letter instead."""
        self.refused += 1
        self.dead_lettered += is_dead_letter

    def enter_again(self) -> None:
        """Correct for a message that takes another place, and was counted at its first."""
        self.enqueued -= 1

    def lost_all(self, count: int, *, enqueued: int = 0) -> None:
        """Count purged messages; ``enqueued`` is the total of lanes that are deleted with them."""
        self.purged += count
        self.enqueued += enqueued

    def add(self, other: Counters) -> None:
        """Add the other's counters to these."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class ExchangeCounters:
    """Numbers of the messages that clients published to an exchange, which never fall.

    A message routed on by other exchanges counts where it was published, as in RabbitMQ; dead letters are not counted.
    """

    __slots__ = ("_passed", "_received", "_routed", "dropped", "returned")

    def __init__(self) -> None:
        # Messages to one queue each are counted per run.
        self._passed = 0
        self._received = 0
        self._routed = 0
        self.dropped = 0
        """Unroutable messages that were dropped."""
        self.returned = 0
        """Unroutable messages that were returned to the publisher."""

    @property
    def published(self) -> int:
        """Messages published to the exchange."""
        return self._passed + self._received

    @property
    def routed(self) -> int:
        """Their copies in queues: a message for three queues counts three times."""
        return self._passed + self._routed

    def passed_on(self, count: int) -> None:
        """Count messages that went to one queue each."""
        self._passed += count

    def routed_to(self, targets: int) -> None:
        """Count a message that went to that many queues."""
        self._received += 1
        self._routed += targets

    def drop(self) -> None:
        """Count an unroutable message."""
        self._received += 1
        self.dropped += 1

    def give_back(self) -> None:
        """Count an unroutable message that was returned."""
        self._received += 1
        self.returned += 1

    def add(self, other: ExchangeCounters) -> None:
        """Add the other's counters to these."""
        self._passed += other._passed
        self._received += other._received
        self._routed += other._routed
        self.dropped += other.dropped
        self.returned += other.returned
