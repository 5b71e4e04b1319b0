"""Counters of the messages of a queue, or of all queues of a virtual host, since they were made or restored."""

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
    redelivered: int = 0
    """Of these, those that had come back before."""
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
