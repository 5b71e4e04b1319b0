"""The server's side of one connection, as far as it is the same for every protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from batonmq.protocols.sessions.standing import BACKLOG, FINISHED, HELD, LEFT, SUSPENDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import User
    from batonmq.errors import StoreError
    from batonmq.protocols.sessions.intake import Requests
    from batonmq.protocols.sessions.link import Link

_Event = TypeVar("_Event")


class Connection(Protocol):
    """A protocol's part of a session for the connection itself: the log-in, heartbeats, the end."""

    def tick(self, now: float) -> float:
        """Some time has passed; it is ``now`` by the monotonic clock. Returns in how many seconds to call it again."""

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: from now on those returned by ``find`` apply; None: the user is deleted."""

    def shutdown(self, reason: str) -> None:
        """The broker stops in an orderly way: tell the client."""

    def lost(self) -> None:
        """The socket is gone: give back what the client held."""

    def come_apart(self) -> None:
        """The session waits for nothing any more: drop references to the connection, so that it is freed at once."""


class Traffic(Protocol):
    """A protocol's part of a session for its publishers and consumers, which are told of room and of commits."""

    def offer(self) -> None:
        """There is room for deliveries again."""

    def withdraw(self) -> None:
        """There is no room for deliveries: the client does not read."""

    def batch_committed(self, batch: int) -> None:
        """All batches of the store up to this number are durable."""

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept."""


class Session(Generic[_Event]):
    """A session, as the server drives it: the parts of a link, and those of a protocol."""

    __slots__ = ("_connection", "_link", "_traffic", "counts", "go_on", "needs_flow_control", "output", "receive")

    def __init__(
        self, link: Link[_Event], requests: Requests[_Event], connection: Connection, traffic: Traffic
    ) -> None:
        """The link belongs to this session from now on, and to no other."""
        self._link = link
        self._connection = connection
        self._traffic = traffic
        self.output = link.output.chunks
        """The output. The server sends all of it, and clears the list."""
        self.counts = link.counts
        """The message counters of the connection."""
        self.receive = link.intake.receive
        """Take in bytes from the client, in any pieces."""
        self.go_on = link.intake.go_on
        """Go on with waiting requests, if the session is not suspended."""
        self.needs_flow_control = link.intake.needs_flow_control
        """Does the client publish faster than active consumers take its messages?"""
        link.intake.serve(requests)
        link.barrier.listen(traffic, connection)

    # ------------------------------------------------------------------ what the server asks

    def standing(self) -> int:
        """Its standing: the sum of FINISHED, LEFT, SUSPENDED, BACKLOG and HELD."""
        link = self._link
        standing = (FINISHED | LEFT if link.output.is_left else FINISHED) if link.output.finished else 0
        if link.intake.suspended:
            standing |= SUSPENDED
        if link.intake.waiting:
            standing |= BACKLOG
        if link.barrier.held_for:
            standing |= HELD
        return standing

    # ------------------------------------------------------------------ what the server tells

    def turn_ended(self) -> None:
        """The output is about to be taken."""
        link = self._link
        link.turn_end.run()
        output = link.output
        has_room = output.take(is_suspended=link.intake.suspended)
        if output.chunks:
            link.heartbeats.said()
        if has_room:
            self._traffic.offer()
            if output.unsent:
                # A browser may have filled the output again at once: another turn is needed.
                output.wake()

    def writable(self, is_writable: bool) -> None:
        """Note whether the client reads its output. Deliveries wait while it does not."""
        self._link.output.writable(is_writable)
        if is_writable:
            self._traffic.offer()
        else:
            self._traffic.withdraw()

    def tick(self, now: float) -> float:
        """Some time has passed; it is ``now`` by the monotonic clock. Returns in how many seconds to call it again."""
        return self._connection.tick(now)

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: from now on those returned by ``find`` apply; None: the user is deleted."""
        self._connection.users_changed(find)

    def shutdown(self, reason: str) -> None:
        """The broker stops in an orderly way: tell the client."""
        self._connection.shutdown(reason)

    def connection_lost(self, *, in_order: bool = False) -> None:
        """The socket is gone; ``in_order``: the transport was closed in order."""
        self._link.log.lost(in_order=in_order)
        try:
            self._connection.lost()
        finally:
            self._link.lost()
