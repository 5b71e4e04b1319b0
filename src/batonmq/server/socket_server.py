"""A broker behind sockets: listeners, connections, turns, commits and timers put together, started and stopped."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Sequence
from functools import partial

from batonmq.clock import Clock
from batonmq.server.committer import Committer
from batonmq.server.config import Config, LimitsConfig
from batonmq.server.connection import Connection
from batonmq.server.connection_context import ConnectionContext
from batonmq.server.connections import Connected, Connections, Places
from batonmq.server.entrance import Arrival, Entrance, MakeConnection
from batonmq.server.failures import StartError
from batonmq.server.interface import Broker, Store
from batonmq.server.listeners import ACCEPTED, Address, Endpoint, listen, raise_descriptor_limit
from batonmq.server.log_ins import LogIns
from batonmq.server.recognise import ServedProtocol
from batonmq.server.refusals import Refusals
from batonmq.server.store_room import StoreRoom
from batonmq.server.timers import Timers
from batonmq.server.tls import Tls
from batonmq.server.turn_line import TurnLine
from batonmq.server.turns import Turns
from batonmq.server.vitals import Vitals

__all__ = ["SHUTDOWN_SECONDS", "SocketServer"]

logger = logging.getLogger(__name__)

# How long clients have to answer when the broker stops, in seconds.
SHUTDOWN_SECONDS = 5.0

# It is quiet where no more connections are at work: a message has one that sends it and one that receives it.
QUIET = 2

# How long HTTP answers under way may then take, in seconds.
VISITOR_SECONDS = 1.0


class SocketServer:
    """Serves one broker through one or more protocols. Create it on a running loop."""

    def __init__(
        self,
        broker: Broker,
        store: Store,
        endpoints: Sequence[Endpoint],
        log_ins: LogIns,
        config: Config,
        clock: Clock,
        tls: Tls | None = None,
        vitals: Vitals | None = None,
    ) -> None:
        """``tls``: the TLS of the endpoints, if any, whose files are watched. ``vitals``: the figures of its work."""
        loop = asyncio.get_running_loop()
        self._broker = broker
        self._store = store
        self._endpoints = endpoints
        self._listeners: list[asyncio.Server | Entrance] = []
        self._loop = loop
        self._log_ins = log_ins
        self._tls = tls
        self._vitals = vitals or Vitals()
        self._committer = Committer(store, broker, loop, self._committed, self._vitals)
        self._turns = Turns(broker, loop, self._turn_ended, self._vitals)
        self._store_room = StoreRoom(store, config.limits.store_pending)
        self._refusals = Refusals(clock, logger, "connections")
        self._context = ConnectionContext(
            turns=self._turns,
            turn_time=broker.turn_time,
            line=TurnLine(broker.turn_time, loop, self._between_clients),
            between_clients=self._between_clients,
            store_room=self._store_room,
            log_ins=log_ins,
            refusals=self._refusals,
            loop=loop,
            clock=clock,
            handshake_timeout=config.amqp.handshake_timeout,
        )
        self._places = places = Places(_connection_limit(config.limits.connections))
        self.connections: Connections[Connection] = Connections(places)
        """The connected clients."""
        # Clients in the TLS handshake.
        self._arrivals: Connections[Arrival] = Connections(places)
        # HTTP clients. However many there are, messaging clients still find a place.
        self._visitors: Connections[Connected] = Connections(places, part=2)
        # Local sockets that become connections.
        self._joining: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        # Are more ticks due in the next pass of the loop?
        self._is_looking = False
        self._timers = Timers(broker, loop, clock, self._tick)
        self.addresses: list[Address] = []
        """The listening sockets, in the order of the endpoints."""

    async def start(self) -> None:
        """Listen. Raises StartError, and then leaves nothing open."""
        try:
            for endpoint in self._endpoints:
                await self._listen(endpoint)
        except BaseException:
            self._close_listeners()
            raise
        self._broker.attach(self._turns.request, self._timers.look)
        self._committer.start()
        self._timers.start()
        self._turns.request()

    async def _listen(self, endpoint: Endpoint) -> None:
        try:
            sockets = listen(endpoint.host, endpoint.port, endpoint.backlog, endpoint.flag)
        except StartError as error:
            if endpoint.is_asked:
                raise
            logger.warning("%s is not served: %s", endpoint.name, error)
            return
        for opened in sockets:
            host, port = opened.getsockname()[:2]
            self._listeners.append(await self._serve(endpoint, opened))
            self.addresses.append(Address(endpoint.scheme, host, port, endpoint.path))

    async def _serve(self, endpoint: Endpoint, opened: socket.socket) -> asyncio.Server | Entrance:
        """Accept clients of this socket, until the returned object is closed."""
        make_connection = self._make_connection(endpoint)
        if endpoint.tls is not None:
            return Entrance(
                opened, endpoint.tls, endpoint.alpn, self._arrivals, self._refusals, make_connection, self._vitals
            )
        # On asyncio's own loop ``backlog`` also limits the accepts of a pass. The listen call restores the real one.
        server = await self._loop.create_server(make_connection, sock=opened, backlog=min(ACCEPTED, endpoint.backlog))
        opened.listen(endpoint.backlog)
        return server

    def _make_connection(self, endpoint: Endpoint) -> MakeConnection:
        if endpoint.make_visitor is not None:
            return partial(endpoint.make_visitor, self._visitors)
        return partial(Connection, self.connections, self._context, endpoint.protocols)

    def join(self, joined: socket.socket, protocol: ServedProtocol) -> None:
        """Serve one end of a socket pair of this process. From any thread.

        Raises OSError when it is stopping; the socket is closed then.
        """
        try:
            self._loop.call_soon_threadsafe(self._begin_joining, joined, protocol)
        except RuntimeError:  # the loop is closed
            joined.close()
            raise OSError(errno.ECONNREFUSED, "the broker has stopped") from None

    def _begin_joining(self, joined: socket.socket, protocol: ServedProtocol) -> None:
        if self._is_stopping:
            joined.close()
            return
        joining = self._loop.create_task(self._join(joined, protocol))
        self._joining.add(joining)
        joining.add_done_callback(self._joining.discard)

    async def _join(self, joined: socket.socket, protocol: ServedProtocol) -> None:
        try:
            joined.setblocking(False)
            await self._loop.connect_accepted_socket(
                partial(Connection, self.connections, self._context, [protocol]), joined
            )
        except OSError:
            # The other end is gone again.
            joined.close()

    def _close_listeners(self) -> None:
        for server in self._listeners:
            server.close()
        self._listeners.clear()

    def change_limits(self, limits: LimitsConfig) -> None:
        """Apply these limits of connections, and of bytes that wait for the store."""
        self._places.change_limit(_connection_limit(limits.connections))
        self._store_room.change_limit(limits.store_pending)

    async def stop(self, reason: str, seconds: float = SHUTDOWN_SECONDS) -> None:
        """Accept no more connections, tell clients, give them `seconds` to leave, and commit the rest.

        May be cancelled while it waits for clients: they are then cut off, and the rest is still done.
        """
        self._close_listeners()
        self._is_stopping = True
        try:
            if self._joining:
                await asyncio.wait(self._joining)
            await self._arrivals.cut()
            await self._visitors.shutdown(reason, min(seconds, VISITOR_SECONDS))
            await self.connections.shutdown(reason, seconds)
        finally:
            await self._arrivals.cut()
            await self._visitors.cut()
            await self.connections.cut()
            self._timers.stop()
            self._log_ins.stop()
            self._broker.finish_returns()
            self._turns.end()
            await self._committer.drain()
            self._committer.stop()

    def _tick(self, now: float) -> None:
        self._log_ins.look_at_users()
        self._refusals.look()
        if self._tls is not None:
            self._tls.look(now)
        self.connections.tick()
        self._visitors.tick()
        self._look()
        if self._store.look():
            # A failing commit reports it, however idle the broker is.
            self._turns.request()

    def _look(self) -> None:
        """Tick the clients that are due, some in each pass of the loop."""
        now = self._context.clock.monotonic()
        # Both lists, even if the first has some left.
        if any([self.connections.look(now), self._visitors.look(now)]) and not self._is_looking:
            self._is_looking = True
            self._loop.call_soon(self._look_on)

    def _look_on(self) -> None:
        self._is_looking = False
        self._between_clients()
        self._look()

    def _between_clients(self) -> None:
        if self._turns.may_end():
            self._committer.look()
            self._turns.look()

    def _turn_ended(self) -> None:
        self._committer.kick(is_quiet=self._turns.at_work <= QUIET)
        self._store_room.look()

    def _committed(self) -> None:
        # Confirms that the commit allows go out now, not after another pass of the loop.
        self._store_room.committed()
        self._turns.end()


def _connection_limit(configured: int) -> int:
    possible = raise_descriptor_limit()
    if possible is not None and possible < configured:
        logger.warning(
            "the system allows %d connections, fewer than the %d of limits.connections (see ulimit -n)",
            possible,
            configured,
        )
        return possible
    return configured
