"""The server's side of one connection, as far as it is the same for every protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from batonmq.protocols.sessions.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import Broker, User
    from batonmq.errors import BrokerError, StoreError
    from batonmq.protocols.sessions.failures import ClientFailure
    from batonmq.protocols.sessions.host import Host

_Event = TypeVar("_Event")


class Session(ABC, Generic[_Event]):
    """What the server asks a session for. The parts of its link answer most of it; a protocol says the rest."""

    def __init__(self, broker: Broker, host: Host) -> None:
        self._link: Link[_Event] = Link(broker, host, self)
        self.output = self._link.output.chunks
        """What is to be sent. The server sends it joined, and clears the list."""
        self.counts = self._link.counts
        """How many messages went over the connection."""

    # ------------------------------------------------------------------ the same for all

    @property
    def finished(self) -> bool:
        """Is nothing more to be said? Then the server sends the output that is left and closes the socket."""
        return self._link.output.finished

    @property
    def suspended(self) -> bool:
        """Does it wait for the store, or for a log-in? Then nothing is read from the client."""
        return self._link.intake.suspended

    @property
    def is_held(self) -> bool:
        """Does the output wait until the store has noted what is being delivered in it?"""
        return self._link.barrier.is_held

    @property
    def has_backlog(self) -> bool:
        """Is there anything that the client has asked for, and that waits?"""
        return bool(self._link.intake)

    def go_on(self) -> None:
        """Take up what waits, if the session is not suspended."""
        self._link.intake.go_on(self)

    def is_ahead(self) -> bool:
        """Does the client publish faster than consumers that are at work take it?"""
        return self._link.intake.is_ahead()

    def turn_ended(self) -> None:
        """The output is about to be taken."""
        if self._link.turn_ended():
            self.offer()
            if self._link.output.unsent:
                # What is said at once, by a browser, may have filled it again: there is to be another turn.
                self._link.output.wake()

    def writable(self, is_writable: bool) -> None:
        """Does the client read what is sent to it? Deliveries wait while it does not."""
        self._link.output.writable(is_writable)
        if is_writable:
            self.offer()
        else:
            self.withdraw()

    def connection_lost(self, *, in_order: bool = False) -> None:
        """The socket is gone; ``in_order``: what carried it was closed as it should."""
        self._link.log.lost(in_order=in_order)
        try:
            self.lost()
        finally:
            self._link.lost()

    # ------------------------------------------------------------------ the protocol's

    @abstractmethod
    def receive(self, data: bytes) -> None:
        """Bytes from the client, in any pieces."""

    @abstractmethod
    def take(self, events: list[_Event], at: int) -> int:
        """Do what the event at that place asks for, or a run of events from there on; tells where the next one is.

        Raises ClientFailure, BrokerError, StoreError: then the event at that place was refused, and none was done.
        """

    @abstractmethod
    def is_quick(self, event: _Event) -> bool:
        """Is it of a kind that is mostly done in some microseconds?"""

    @abstractmethod
    def refuse(self, event: _Event, error: ClientFailure | BrokerError | StoreError) -> None:
        """Tell the client why not."""

    @abstractmethod
    def broken(self, event: _Event) -> None:
        """A fault of the broker's own struck: end the connection. The fault is in the log."""

    @abstractmethod
    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""

    @abstractmethod
    def batch_failed(self, batch: int, error: StoreError) -> None:
        """Those up to this number that were not committed before are not kept."""

    @abstractmethod
    def offer(self) -> None:
        """There is room for deliveries again."""

    @abstractmethod
    def withdraw(self) -> None:
        """There is no room for deliveries: the client does not read."""

    @abstractmethod
    def tick(self, now: float) -> None:
        """Some time has passed; it is ``now`` by the monotonic clock. Called about four times a second."""

    @abstractmethod
    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: from now on those count that ``find`` tells; None: the user is deleted."""

    @abstractmethod
    def shutdown(self, reason: str) -> None:
        """The broker stops in an orderly way: tell the client."""

    @abstractmethod
    def lost(self) -> None:
        """The socket is gone: give back what the client held."""

    def come_apart(self) -> None:
        """The connection is gone and nothing is waited for: let go of all parts that know this session."""
