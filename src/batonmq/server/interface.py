"""What the server asks of a protocol's session and of a broker; what a session may ask of the server is `Host`.

The real ones are `batonmq.protocols.*` and `batonmq.broker.Broker`; anything of this shape can be served.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from batonmq.broker.model.access import User
from batonmq.broker.model.turn_time import TurnTime
from batonmq.errors import StoreError
from batonmq.protocols.sessions.counts import ConnectionCounts
from batonmq.protocols.sessions.host import Host

__all__ = ["Broker", "Host", "Session", "Store", "Timetable"]


class Session(Protocol):
    """The broker's side of one client's conversation: bytes in, bytes out, no sockets."""

    output: list[bytes]
    """What is to be sent. The server sends it joined, and clears the list."""

    @property
    def counts(self) -> ConnectionCounts:
        """How many messages went over the connection."""

    def standing(self) -> int:
        """How it stands: the numbers of `batonmq.protocols.sessions.standing`, added up."""

    def go_on(self) -> None:
        """Do more of what waits, if the session is not suspended."""

    def receive(self, data: bytes) -> None:
        """Bytes that came, in any pieces."""

    def is_ahead(self) -> bool:
        """Does the client publish faster than consumers that are at work can take? Then it is read a little later."""

    def turn_ended(self) -> None:
        """Called once a turn before the output is taken: the place for cumulative confirms."""

    def tick(self, now: float) -> float:
        """Called now and then with the monotonic clock: heartbeats, dead peers, stalled handshakes.

        Returns in how many seconds to call it again.
        """

    def writable(self, is_writable: bool, /) -> None:
        """False while the client does not read what is sent to it: deliveries wait until True."""

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: what is done from now on goes by those that `find` tells; None: the user is deleted."""

    def shutdown(self, reason: str) -> None:
        """The broker stops in an orderly way: tell the client."""

    def connection_lost(self, *, in_order: bool = False) -> None:
        """The socket is gone: give back whatever the client held.

        `in_order`: what carried the session was closed as it should be.
        """


class Store(Protocol):
    """The part of a store that the server drives."""

    @property
    def busy(self) -> bool:
        """A batch is staged and its commit has not returned."""

    @property
    def pending_bytes(self) -> int:
        """Bytes of messages collected and not yet staged."""

    @property
    def error(self) -> StoreError | None:
        """Why it does not take messages now; it may keep settlements all the same."""

    def look(self) -> bool:
        """Is its file gone? Called about once a second."""

    def has_work(self) -> bool:
        """Is anything collected, or to be tried again?"""

    def stage(self) -> None:
        """Write what was collected into an open transaction."""

    def commit(self) -> None:
        """Make the staged batch durable. May block; raises StoreError."""


class Timetable(Protocol):
    """The timers of a broker, as its host sees them."""

    def next_due(self) -> float | None:
        """When the next timer is due, in monotonic seconds; None: there is none."""


class Broker(Protocol):
    """The part of a broker that its host process drives."""

    turn_time: TurnTime
    """What clients may take of a turn; it begins anew with `end_turn`."""

    def attach(self, host: Callable[[], None], on_timer: Callable[[], None]) -> None:
        """Have `host` called when `end_turn` should be called soon, `on_timer` when another timer is due first."""

    def on_work(self) -> None:
        """Have it called now."""

    def end_turn(self) -> None:
        """Hand over what is ready."""

    @property
    def timetable(self) -> Timetable:
        """When `run_timers` is to be called next."""

    def run_timers(self) -> None:
        """Do what is due."""

    def commit_done(self, error: StoreError | None) -> None:
        """The commit returned: confirm, or refuse."""
