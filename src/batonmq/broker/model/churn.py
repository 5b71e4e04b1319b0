"""Counts connections, channels and queues that come and go, since the broker started."""

from __future__ import annotations


class Churn:
    """Numbers of created and deleted objects, which never fall. Objects restored from the store are not counted."""

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
        """Of these, the closed ones."""
        self.channels_opened = 0
        self.channels_closed = 0
        self.queues_declared = 0
        """Queue declarations by clients, whether the queue existed or not."""
        self.queues_created = 0
        self.queues_deleted = 0

    def connection_opened(self) -> None:
        """Count a client that has logged in."""
        self.connections_opened += 1

    def connection_closed(self) -> None:
        """Count a client that has left."""
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
        """Count a new queue."""
        self.queues_created += 1

    def queue_deleted(self) -> None:
        """Count a deleted queue."""
        self.queues_deleted += 1
