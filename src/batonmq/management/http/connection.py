"""One client of the HTTP API: uvicorn's HTTP/1.1, registered with the server's connections, and limited in time."""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from collections.abc import Callable
from typing import Final, cast

from starlette.types import ASGIApp
from uvicorn._types import HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from batonmq.broker.model.access import User
from batonmq.clock import Clock
from batonmq.server.addresses import address
from batonmq.server.connections import Connected, Connections
from batonmq.server.fair_line import network
from batonmq.server.rounds import how_often

__all__ = ["HttpConnection", "HttpServer"]

# uvicorn's own log lines name no client, and clients could cause any number of them.
_silent = logging.getLogger("batonmq.management.library")
_silent.setLevel(logging.CRITICAL + 1)

# The most octets of a request's first line and headers.
MOST_HEAD: Final = 64 * 1024

# How long an idle connection may stay open after an answer, in seconds.
IDLE_SECONDS: Final = 75

# How long a client may read nothing of an answer, in seconds.
UNREAD_SECONDS: Final = 60.0


class HttpServer:
    """The common state of all HTTP API connections."""

    def __init__(self, application: ASGIApp, clock: Clock, *, most: int, request_seconds: float) -> None:
        """``most``: the limit of connections.

        ``request_seconds``: the time in which a request must arrive, body included.
        """
        self.config = Config(
            application,
            log_config=None,
            access_log=False,
            lifespan="off",
            loop="none",
            http=HttpConnection,
            ws="none",
            interface="asgi3",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            h11_max_incomplete_event_size=MOST_HEAD,
        )
        self.config.load()
        self.state = ServerState()
        self.clock = clock
        self._most = most
        self.request_seconds = request_seconds
        # How often to look at each client, in seconds.
        self.pace = how_often(request_seconds, UNREAD_SECONDS)
        # Each with its address, and how many each address has. The oldest is first.
        self._here: dict[HttpConnection, str] = {}
        self._counts: dict[str, int] = {}
        # Connections without a log-in: those that owe a request, and those being answered. The oldest is first.
        self._owing: dict[HttpConnection, None] = {}
        self._asking: dict[HttpConnection, None] = {}

    def connect(
        self, visitors: Connections[Connected], *, arrived: Callable[[ssl.SSLObject], str] | None = None
    ) -> HttpConnection:
        """The connection of a client."""
        return HttpConnection(self, visitors, arrived)

    # From connections

    def let_in(self, connection: HttpConnection) -> bool:
        """A client has come; False: there are too many.

        If there are too many, the oldest connection is closed of the addresses with more than their share of the
        places: one that owes a request, or else one whose password is being checked, or else one that has logged in and
        is not being answered. If there is none of these, the oldest without a log-in is closed: it costs its client
        nothing to hold a connection open.
        """
        address_ = network(connection.peer)
        if len(self._here) >= self._most:
            oldest = self._oldest_beyond_its_share(address_) or next(iter(self._owing or self._asking), None)
            if oldest is None:
                return False
            self.leave(oldest)
            oldest.abort()
        self._here[connection] = address_
        self._counts[address_] = self._counts.get(address_, 0) + 1
        self._owing[connection] = None
        return True

    def _oldest_beyond_its_share(self, newcomer: str) -> HttpConnection | None:
        """The connection to close of an address that exceeds its share; None: none.

        The newcomer counts for its own address. A logged-in connection is closed only for an address with fewer.
        """
        counts, here = self._counts, self._here
        its_own = counts.get(newcomer, 0) + 1
        share = self._most // (len(counts) + (newcomer not in counts))

        def exceeds(each: HttpConnection) -> bool:
            of = here[each]
            return (its_own if of == newcomer else counts[of]) > share

        for strangers in (self._owing, self._asking):
            for each in strangers:
                if exceeds(each):
                    return each
        share = max(share, its_own)
        return next((each for each in here if exceeds(each) and not each.is_being_answered), None)

    def ask(self, connection: HttpConnection) -> None:
        """A complete request has come from it."""
        if connection in self._owing:
            del self._owing[connection]
            self._asking[connection] = None

    def owe(self, connection: HttpConnection) -> None:
        """Its request has been answered."""
        if connection in self._asking:
            del self._asking[connection]
            self._owing[connection] = None

    def know(self, connection: HttpConnection) -> None:
        """Its client has logged in."""
        self._owing.pop(connection, None)
        self._asking.pop(connection, None)

    def leave(self, connection: HttpConnection) -> None:
        """It has closed, or is about to."""
        address_ = self._here.pop(connection, None)
        if address_ is not None:
            self._counts[address_] -= 1
            if not self._counts[address_]:
                del self._counts[address_]
        self.know(connection)

    async def stop(self) -> None:
        """End requests under way, endless streams included."""
        tasks = list(self.state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class HttpConnection(H11Protocol):
    """The connection of one client."""

    def __init__(
        self,
        server: HttpServer,
        visitors: Connections[Connected],
        arrived: Callable[[ssl.SSLObject], str] | None,
    ) -> None:
        super().__init__(server.config, server.state, {})
        self.logger = _silent
        self.access_log = False
        self._http = server
        self._visitors = visitors
        self._arrived = arrived
        self.peer = "unknown"
        # When the wait for the rest of a request began; None: not waiting.
        self._waits_since: float | None = None
        # The unsent size of the answer at the last check, and since when it has not changed.
        self._unread = 0
        self._unread_since = 0.0
        self.is_gone = False
        """Is its socket gone?"""
        # Callbacks of its requests for that moment.
        self._watching: dict[Callable[[], None], None] = {}

    # From the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        # uvloop's transports have the methods and not the base class.
        transport = cast(asyncio.Transport, transport)
        super().connection_made(transport)
        # The state of its requests. A client whose TLS handshake fails never gets here, nor to ``connection_lost``.
        self.app_state["connection"] = self
        self.peer = address(transport.get_extra_info("peername"))[0]
        if self._arrived is not None:
            self._arrived(transport.get_extra_info("ssl_object"))
            self._arrived = None
        self._waits_since = self._http.clock.monotonic()
        if not self._http.let_in(self) or not self._visitors.add(self):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Data of a request has come."""
        if self._waits_since is None and self._is_idle():
            self._waits_since = self._http.clock.monotonic()
        if data.startswith(b"AMQP") and self._cycle() is None and not self.conn.trailing_data[0]:
            # A client of a broker that has mistaken the port, and would wait for an answer as we would for a line end.
            super().send_400_response("this port speaks HTTP: AMQP has another\n")
            return
        super().data_received(data)
        if not self._waits_for_more():
            self._waits_since = None
            self._is_asked()

    def on_response_complete(self) -> None:
        """A request was answered. The next may have arrived with it."""
        self._http.owe(self)
        super().on_response_complete()
        self._is_asked()

    def _is_asked(self) -> None:
        if self.is_being_answered:
            self._http.ask(self)

    def send_400_response(self, msg: str) -> None:
        """The data is not HTTP.

        If it was the body of a request, this is the request's answer, and its own is dropped.
        """
        error = sys.exc_info()[1]
        if error is not None:
            # One of its own methods raised it: a reference cycle (h11 0.16, ``_reraise_as_remote_protocol_error``).
            error.__traceback__ = None
        cycle = self._cycle()
        if cycle is not None and (cycle.response_started if not cycle.response_complete else cycle.more_body):
            # It was answered, or is being answered: there is no place for another answer.
            self._give_up(cycle)
            self.transport.close()
            return
        if cycle is not None and not cycle.response_complete:
            self._give_up(cycle)
        super().send_400_response(msg)

    @staticmethod
    def _give_up(cycle: RequestResponseCycle) -> None:
        """As if the client were gone: the library would answer twice, and raise (uvicorn 0.40, ``connection_lost``)."""
        cycle.disconnected = True
        cycle.message_event.set()

    @property
    def is_being_answered(self) -> bool:
        """Is a complete request waiting for its answer?"""
        return not self._is_idle() and not self._waits_for_more()

    def _is_idle(self) -> bool:
        cycle = self._cycle()
        return cycle is None or cycle.response_complete

    def _waits_for_more(self) -> bool:
        cycle = self._cycle()
        return cycle is None or cycle.more_body

    def _cycle(self) -> RequestResponseCycle | None:
        # The library's types hide that this may be None.
        return cast("RequestResponseCycle | None", self.cycle)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._visitors.remove(self)
        self._http.leave(self)
        super().connection_lost(exc)
        # After a reset the library leaves its timer running (uvicorn 0.54).
        self._unset_keepalive_if_required()
        self._come_apart()
        self.is_gone = True
        watching, self._watching = self._watching, {}
        for told in watching:
            told()

    def _come_apart(self) -> None:
        """End its reference cycles: the collector seldom looks at old objects, and clients come in thousands."""
        self.app_state.clear()
        # Its last request has a copy of that. The library's types hide that these may be None.
        self.scope = cast(HTTPScope, None)
        self.cycle = cast(RequestResponseCycle, None)

    # From requests

    def when_gone(self, told: Callable[[], None]) -> None:
        """Call back when its socket is gone. It is not gone yet."""
        self._watching[told] = None

    def not_when_gone(self, told: Callable[[], None]) -> None:
        """Forget this callback."""
        self._watching.pop(told, None)

    def logged_in(self) -> None:
        """Its client has logged in with name and password, or with a session."""
        self._http.know(self)

    # From the list of all connections: batonmq.server.connections.Connected

    def tick(self, now: float) -> float:
        """Time has passed: cut a client that keeps others waiting."""
        if self._waits_since is not None and now - self._waits_since > self._http.request_seconds:
            self.abort()
            return self._http.pace
        unread = self.transport.get_write_buffer_size()
        if unread != self._unread or not unread:
            self._unread, self._unread_since = unread, now
        elif now - self._unread_since > UNREAD_SECONDS:
            self.abort()
        return self._http.pace

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Do nothing: each request uses the rights of its moment."""

    def shutdown(self, reason: str = "") -> None:
        """The broker stops: answer requests under way, and nothing more."""
        super().shutdown()

    def abort(self) -> None:
        """Close the socket at once."""
        self.transport.abort()
