"""The server's side of one connection, as far as it is the same for every protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import User
    from batonmq.errors import StoreError
    from batonmq.protocols.sessions.intake import Requests
    from batonmq.protocols.sessions.link import Link

_Event = TypeVar("_Event")


class Connection(Protocol):
    """What a protocol makes of the connection itself: the log-in, signs of life, the end."""

    def tick(self, now: float) -> None:
        """Some time has passed; it is ``now`` by the monotonic clock. Called about four times a second."""

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: from now on those count that ``find`` tells; None: the user is deleted."""

    def shutdown(self, reason: str) -> None:
        """The broker stops in an orderly way: tell the client."""

    def lost(self) -> None:
        """The socket is gone: give back what the client held."""

    def come_apart(self) -> None:
        """Nothing is waited for any more: let go of what knows the connection, so that it is free at once."""


class Traffic(Protocol):
    """What a protocol has of publishers and consumers: they are told of room, and of commits."""

    def offer(self) -> None:
        """There is room for deliveries again."""

    def withdraw(self) -> None:
        """There is no room for deliveries: the client does not read."""

    def batch_committed(self, batch: int) -> None:
        """All batches of the store up to this number are durable."""

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """Those up to this number that were not committed before are not kept."""


class Session(Generic[_Event]):
    """What the server talks to, put together of the parts of a link and those that a protocol brings."""

    __slots__ = ("_connection", "_link", "_traffic", "counts", "output")

    def __init__(
        self, link: Link[_Event], requests: Requests[_Event], connection: Connection, traffic: Traffic
    ) -> None:
        """The link is of this session from now on, and of no other."""
        self._link = link
        self._connection = connection
        self._traffic = traffic
        self.output = link.output.chunks
        """What is to be sent. The server sends it joined, and clears the list."""
        self.counts = link.counts
        """How many messages went over the connection."""
        link.intake.serve(requests)
        link.barrier.listen(self)

    # ------------------------------------------------------------------ what the server asks

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

    def is_ahead(self) -> bool:
        """Does the client publish faster than consumers that are at work take it?"""
        return self._link.intake.is_ahead()

    # ------------------------------------------------------------------ what the server tells

    def receive(self, data: bytes) -> None:
        """Bytes from the client, in any pieces."""
        self._link.intake.receive(data)

    def go_on(self) -> None:
        """Take up what waits, if the session is not suspended."""
        self._link.intake.go_on()

    def turn_ended(self) -> None:
        """The output is about to be taken."""
        if self._link.turn_ended():
            self._traffic.offer()
            if self._link.output.unsent:
                # What is said at once, by a browser, may have filled it again: there is to be another turn.
                self._link.output.wake()

    def writable(self, is_writable: bool) -> None:
        """Does the client read what is sent to it? Deliveries wait while it does not."""
        self._link.output.writable(is_writable)
        if is_writable:
            self._traffic.offer()
        else:
            self._traffic.withdraw()

    def tick(self, now: float) -> None:
        """Some time has passed; it is ``now`` by the monotonic clock."""
        self._connection.tick(now)

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: from now on those count that ``find`` tells; None: the user is deleted."""
        self._connection.users_changed(find)

    def shutdown(self, reason: str) -> None:
        """The broker stops in an orderly way: tell the client."""
        self._connection.shutdown(reason)

    def connection_lost(self, *, in_order: bool = False) -> None:
        """The socket is gone; ``in_order``: what carried it was closed as it should."""
        self._link.log.lost(in_order=in_order)
        try:
            self._connection.lost()
        finally:
            self._link.lost()

    # ------------------------------------------------------------------ what the barrier tells

    def batch_committed(self, batch: int) -> None:
        """All batches of the store up to this number are durable."""
        self._traffic.batch_committed(batch)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """Those up to this number that were not committed before are not kept."""
        self._traffic.batch_failed(batch, error)

    def come_apart(self) -> None:
        """The connection is gone and nothing is waited for."""
        self._connection.come_apart()
