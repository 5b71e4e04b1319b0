"""Counters of messages: of a queue or all queues of a virtual host since they were made or restored, of an exchange."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Counters:
    """Numbers of messages; none of them ever falls.

    Kept where a message takes another way than most, and once for each batch that is handed out: what was published
    and accepted follows from these and from where the queue stands, so that the plain path counts nothing.
    """

    enqueued: int = 0
    """Messages that took a place in the queue: published, moved here, dead-lettered to it, fallen due."""
    delivered: int = 0
    """Messages handed to consumers or fetched, each time counted."""
    delivered_no_ack: int = 0
    """Of these, those handed to consumers that need not acknowledge."""
    fetched: int = 0
    """Of these, those that a client asked for one by one (basic.get)."""
    fetched_no_ack: int = 0
    """Of those fetched, the ones that need no acknowledgement."""
    fetched_empty: int = 0
    """How often a client asked for a message and there was none; no number of messages."""
    redelivered: int = 0
    """Of those delivered, the ones that had come back before."""
    accepted: int = 0
    """Messages that are done with: accepted, or handed out to somebody who need not accept."""
    returned: int = 0
    """Messages that were given back or taken back, wherever they went then."""
    rejected: int = 0
    """Messages that a consumer rejected."""
    expired: int = 0
    """Messages whose time was over."""
    dropped: int = 0
    """Messages that were pushed out by a length limit."""
    given_up: int = 0
    """Messages that had come back too often."""
    dead_lettered: int = 0
    """Messages that went to an exchange for dead letters, for whatever reason."""
    refused: int = 0
    """Messages that a full queue did not take."""
    purged: int = 0
    """Messages that were purged, or gone with their queue."""

    def redeliver(self, count: int) -> None:
        """Count messages that were handed out and had come back before."""
        self.redelivered += count

    def fetch(self, *, no_ack: bool) -> None:
        """Count a message that a client has asked for and gets."""
        self.fetched += 1
        self.fetched_no_ack += no_ack

    def found_nothing(self) -> None:
        """Count that a client asked for a message and there was none."""
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
        """Do not count the place that a message takes which was counted when it came first."""
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
    """Numbers of the messages that clients published to an exchange; none of them ever falls.

    What other exchanges led on counts where it was published, as in RabbitMQ; dead letters count nowhere.
    """

    __slots__ = ("_passed", "_received", "_routed", "dropped", "returned")

    def __init__(self) -> None:
        # Messages to one queue each are counted once for a run of them.
        self._passed = 0
        self._received = 0
        self._routed = 0
        self.dropped = 0
        """Messages that no queue wanted, and of which the publisher did not ask to be told."""
        self.returned = 0
        """Messages that no queue wanted, and that were given back to the publisher."""

    @property
    def published(self) -> int:
        """Messages that came to the exchange."""
        return self._passed + self._received

    @property
    def routed(self) -> int:
        """Places in queues that they were given: a message for three queues counts three times."""
        return self._passed + self._routed

    def passed_on(self, count: int) -> None:
        """Count messages that went to one queue each."""
        self._passed += count

    def routed_to(self, targets: int) -> None:
        """Count a message that went to that many queues."""
        self._received += 1
        self._routed += targets

    def drop(self) -> None:
        """Count a message that no queue wanted."""
        self._received += 1
        self.dropped += 1

    def give_back(self) -> None:
        """Count a message that no queue wanted and that was returned."""
        self._received += 1
        self.returned += 1

    def add(self, other: ExchangeCounters) -> None:
        """Add the other's counters to these."""
        self._passed += other._passed
        self._received += other._received
        self._routed += other._routed
        self.dropped += other.dropped
        self.returned += other.returned
