"""How much comes and goes: connections, channels and queues, counted since the broker started."""

from __future__ import annotations


class Churn:
    """Numbers of what was made and what went; none of them ever falls. What the store brings back is not counted."""

    __slots__ = (
        "channels_closed",
        "channels_opened",
        "connections_closed",
        "connections_opened",
        "queues_created",
        "queues_declared",
        "queues_deleted",
    )

    def __init__(self) -> None:
        self.connections_opened = 0
        """Connections whose client has logged in."""
        self.connections_closed = 0
        """Of these, those that are gone."""
        self.channels_opened = 0
        self.channels_closed = 0
        self.queues_declared = 0
        """Queues that a client declared, whether they were there or not."""
        self.queues_created = 0
        self.queues_deleted = 0

    def connection_opened(self) -> None:
        """Count a client that has logged in."""
        self.connections_opened += 1

    def connection_closed(self) -> None:
        """Count a client that is gone."""
        self.connections_closed += 1

    def channel_opened(self) -> None:
        """Count an opened channel."""
        self.channels_opened += 1

    def channel_closed(self) -> None:
        """Count a closed channel."""
        self.channels_closed += 1

    def queue_declared(self) -> None:
        """Count a declaration."""
        self.queues_declared += 1

    def queue_created(self) -> None:
        """Count a queue that was not there before."""
        self.queues_created += 1

    def queue_deleted(self) -> None:
        """Count a queue that was deleted, by whomever."""
        self.queues_deleted += 1
