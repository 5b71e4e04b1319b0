"""The interfaces of a protocol's session and of a broker, as the server uses them.

`Host` is what a session may ask of the server.

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
    """The broker's side of a conversation with one client: bytes in, bytes out, no sockets."""

    output: list[bytes]
    """The output. The server sends it joined, and clears the list."""

    @property
    def counts(self) -> ConnectionCounts:
        """How many messages went over the connection."""

    def standing(self) -> int:
        """Its standing: the numbers of `batonmq.protocols.sessions.standing`, added up."""

    def go_on(self) -> None:
        """Go on with waiting requests, if the session is not suspended."""

    def receive(self, data: bytes) -> None:
        """Take in bytes from the client, in any pieces."""

    def needs_flow_control(self) -> bool:
        """Does the client publish faster than active consumers can take? Then it is read a little later."""

    def turn_ended(self) -> None:
        """Called once a turn before the output is taken: the place for cumulative confirms."""

    def tick(self, now: float) -> float:
        """Called regularly with the monotonic time: heartbeats, dead peers, stalled handshakes.

        Returns in how many seconds to call it again.
        """

    def writable(self, is_writable: bool, /) -> None:
        """False while the client does not read its output: deliveries wait until True."""

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: from now on those returned by `find` apply; None: the user is deleted."""

    def shutdown(self, reason: str) -> None:
        """The broker stops in an orderly way: tell the client."""

    def connection_lost(self, *, in_order: bool = False) -> None:
        """The socket is gone: give back what the client held. `in_order`: the transport was closed properly."""


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
        """Why it does not take messages now; it may still keep settlements."""

    def look(self) -> bool:
        """Check whether its file is gone. Called about once a second."""

    @property
    def spared(self) -> int:
        """How many batches that were put off need not be written."""

    @property
    def spared_after(self) -> float:
        """How long it took until the last one of these was settled, in seconds."""

    def may_wait(self) -> bool:
        """Do consumers hold all that is to be written, or what is before it, and may settle it before that?

        False if anything else is urgent.
        """

    def part(self) -> None:
        """End this batch, and put off its commit."""

    def cut_at(self, count: int) -> None:
        """How many new messages a batch may have, from now on."""

    def waits_since(self) -> float:
        """When the oldest batch ended that was put off (`perf_counter`); 0.0: there is none."""

    def has_work(self) -> bool:
        """Is anything collected, or due for a retry?"""

    def is_brief(self) -> bool:
        """Would a commit of what is collected write a few pages, wait for the disk once, and do nothing else?"""

    @property
    def commit_seconds(self) -> float:
        """How long the last commit took to write and to wait for the disk."""

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
    """The time that clients may take in a pass of the host's loop. The host restarts it."""

    @property
    def is_patient(self) -> bool:
        """Does everybody wait for a commit only because of messages, which need not be written if they are settled?"""

    def attach(self, host: Callable[[], None], on_timer: Callable[[], None]) -> None:
        """Have `host` called when `end_turn` should be called soon, `on_timer` when another timer is due first."""

    def on_work(self) -> None:
        """Call the host now."""

    def end_turn(self) -> None:
        """Dispatch ready messages."""

    def finish_returns(self) -> None:
        """Put all returned messages back in their queues now, before the last turn."""

    @property
    def timetable(self) -> Timetable:
        """When to call `run_timers` next."""

    def run_timers(self) -> None:
        """Run the timers that are due."""

    def commit_done(self, error: StoreError | None) -> None:
        """A commit has returned: confirm, or refuse."""
