"""The intake of a session, which keeps a client's requests from filling the memory or delaying other clients.

A session handles requests at once, and leaves the rest for later

    while it is suspended, because it waits for the store (``CommitBarrier``) or for a log-in;
    when its output is full, until that has been taken;
    when its share of a turn is used up, until the others have had theirs.

A few short requests may lead to gigabytes of answers, or to seconds of work. And many clients may be busy at the same
time, so their time in one turn together is bounded, too (``TurnTime``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from batonmq.errors import BrokerError, StoreError
from batonmq.protocols.sessions.failures import ClientFailure
from batonmq.protocols.sessions.output import OUTPUT_MAX

if TYPE_CHECKING:
    from batonmq.broker import Broker, Route, Share
    from batonmq.protocols.sessions.connection_log import ConnectionLog
    from batonmq.protocols.sessions.heartbeats import Heartbeats
    from batonmq.protocols.sessions.host import Host
    from batonmq.protocols.sessions.output import Output

# The clock is checked after this many quick requests, and after each request that is not quick.
QUICK: Final = 8

_Event = TypeVar("_Event")


class Requests(Protocol[_Event]):
    """A protocol's part of the intake: it parses bytes into requests, and handles them."""

    def parse(self, data: bytes) -> list[_Event]:
        """The requests completed by bytes from the client, which come in any pieces."""

    def take(self, events: list[_Event], at: int) -> int:
        """Handle the event at that index, or a run of events from there on; returns the index of the next one.

        An event with several requests may be replaced by one event for each, the first of which is handled. Raises
        ClientFailure, BrokerError, StoreError: then the event at that index was refused, and nothing was done.
        """

    def is_quick(self, event: _Event) -> bool:
        """Does a request of this kind usually take only microseconds?"""

    def refuse(self, event: _Event, error: ClientFailure | BrokerError | StoreError) -> None:
        """Tell the client that the request was refused, and why."""

    def broken(self, event: _Event) -> None:
        """End the connection after a fault of the broker's own, which is in the log."""


class Intake(Generic[_Event]):
    """Takes in what one client asks for: does it at once, or keeps it for later."""

    __slots__ = (
        "_heartbeats",
        "_host",
        "_log",
        "_output",
        "_requests",
        "_route",
        "_turn_time",
        "suspended",
        "waiting",
    )

    def __init__(self, broker: Broker, host: Host, output: Output, heartbeats: Heartbeats, log: ConnectionLog) -> None:
        self._turn_time = broker.turn_time
        self._host = host
        self._output = output
        self._heartbeats = heartbeats
        self._log = log
        self.waiting: list[_Event] = []
        """What the client has asked for and is not done yet."""
        # None before `serve`, and after `close`, so that an ended connection is no cycle of references.
        self._requests: Requests[_Event] | None = None
        self._route: Route | None = None
        self.suspended = False
        """Is nothing done now, and nothing more to be read?"""

    def serve(self, requests: Requests[_Event]) -> None:
        """Have requests done there from now on."""
        self._requests = requests

    def suspend(self) -> None:
        """Handle no requests until `resume`."""
        self.suspended = True

    def resume(self) -> None:
        """Allow requests again; `go_on` handles those that wait."""
        self.suspended = False

    def receive(self, data: bytes) -> None:
        """Take in bytes from the client, in any pieces, and handle as many requests as possible now.

        The caller subtracts the time that this takes, with parsing, from that of the turn.
        """
        self._heartbeats.heard()
        requests = self._requests
        if requests is None:
            return
        events = requests.parse(data)
        if self.waiting or self.suspended:
            self.put_off(events)
        elif events:
            self._work(requests, events, self._turn_time.share())

    def put_off(self, events: list[_Event]) -> None:
        """Keep these requests for `go_on`."""
        if self._requests is not None:
            self.waiting += events

    def go_on(self) -> None:
        """Do more of what waits, and read on, unless the session is suspended."""
        if self.suspended:
            return
        # Requests that wait were heard: the client is not read from meanwhile.
        self._heartbeats.heard()
        if self.waiting and self._requests is not None:
            events, self.waiting = self.waiting, []
            share = self._turn_time.share()
            try:
                self._work(self._requests, events, share)
            finally:
                self._turn_time.spend(share)
        if not self.suspended:
            self._host.resume()

    def close(self) -> None:
        """Drop the requests that wait, and all that follow."""
        self._requests = None
        self.waiting = []

    def _work(self, requests: Requests[_Event], events: list[_Event], share: Share) -> None:
        """Do as many of these requests as the share allows, and keep the rest."""
        output = self._output
        quick = QUICK
        at = 0
        # What an event holds may become several that are done one by one.
        while at < len(events):
            event = events[at]
            try:
                at = requests.take(events, at)
            except (ClientFailure, BrokerError, StoreError) as error:
                requests.refuse(event, error)
                at += 1
            except Exception as fault:  # noqa: BLE001 (it is logged)
                self._log.broken(fault)
                requests.broken(event)
                at += 1
            if at >= len(events) or self.suspended or output.unsent >= OUTPUT_MAX or self._requests is None:
                break
            quick -= 1
            if not quick or not requests.is_quick(event):
                if share.is_used():
                    break
                quick = QUICK
        if at < len(events) and self._requests is not None:
            # They go before requests that have come meanwhile.
            self.waiting = events[at:] + self.waiting

    # ------------------------------------------------------------------ flow control

    def published(self, route: Route | None) -> None:
        """The client has published by this route; None: it has done something else."""
        self._route = route

    def needs_flow_control(self) -> bool:
        """Does the client publish faster than active consumers take the messages?

        Judged, once, by the queue of the last publish: most clients publish to one at a time.
        """
        route, self._route = self._route, None
        queue = None if route is None else route.queue
        return queue is not None and queue.flow_control.is_behind(queue)
