"""The connection: a thread for pika, which reconnects when the broker was away.

    down --(somebody wants it)--> connecting --> open --(lost)--> connecting ... --(too long)--> down

Everything but ``call``, ``open`` and ``close`` runs in that thread. ``close`` ends it in any state: an open connection
is closed in order, within a limit of time; any other is cut. That call is the last one, and earlier calls that are not
done by then fail with Closed.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from pika.adapters.select_connection import IOLoop
from pika.frame import Method

from batonmq.engines.amqp.failures import error_of, unreachable
from batonmq.engines.amqp.parameters import amqp_parameters
from batonmq.engines.amqp.product import Product, product_of
from batonmq.engines.amqp.wire import Dial, WireConnection
from batonmq.engines.forks import FORKED, when_forked
from batonmq.engines.futures import Future
from batonmq.engines.reconnection import Reconnection
from batonmq.engines.tls import UnusableTls
from batonmq.errors import BatonError, Closed, ConnectionLost

__all__ = ["GOODBYE", "Link", "Linked"]

log = logging.getLogger("batonmq.amqp")

# How long a broker may take to answer, in seconds.
PATIENCE = 10.0
# How long the broker may take to answer a close, in seconds. Settlements have been sent by then.
GOODBYE = 2.0
# How long the thread may take to end on a busy machine, once it has cut the connection, in seconds.
TO_END = 1.0
# How long a broker short of memory or disk may stop reading, in seconds, unless the URL says otherwise.
BLOCKED_SECONDS = 60.0
FAILED = "the connection's thread has failed"


class Linked(Protocol):
    """A user of the link, whose channel is lost with the connection."""

    def link_opened(self) -> None:
        """There is a connection again."""

    def link_lost(self, error: BatonError) -> None:
        """The connection is lost, and is being opened again."""

    def link_given_up(self, error: BatonError) -> None:
        """The connection is lost for good."""


class Link:
    """One connection to a broker, kept open. Any thread may call ``call``, ``open`` and ``close``."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext | None = None,
        patience: float | None = None,
        dial: Dial | None = None,
    ) -> None:
        """Raises ValueError for a URL that cannot be read.

        All connections share one SSLContext. ``patience``: how many seconds the broker has to answer when connecting;
        None: the usual ten. The same holds for closing, with ``GOODBYE``, two seconds, as the limit. ``dial`` opens the
        socket of each connection, if it does not go to the URL's host.
        """
        patience = PATIENCE if patience is None else patience
        self._goodbye = min(GOODBYE, patience)
        try:
            self.parameters = amqp_parameters(url, context)
        except UnusableTls:
            raise
        except ValueError as error:
            raise ValueError(f"the AMQP URL cannot be read: {error}") from None
        self.parameters.socket_timeout = self.parameters.stack_timeout = patience
        asked = self.parameters.blocked_connection_timeout
        self._blocked_patience = BLOCKED_SECONDS if asked is None else float(asked)
        # pika's own timeout would also end the connection to a broker that still reads.
        self.parameters.blocked_connection_timeout = None
        # pika logs errors that it also reports.
        pika_log = logging.getLogger("pika")
        if pika_log.level == logging.NOTSET:
            pika_log.setLevel(logging.CRITICAL)
        self.connection: WireConnection | None = None
        # The connection being opened.
        self._attempt: WireConnection | None = None
        self.product = Product()
        # The text for a broker that takes no messages now; None: it takes them.
        self._blocked: ConnectionLost | None = None
        self._dial = dial
        self._loop: Any = IOLoop()
        self._thread = threading.Thread(target=self._run, name="batonmq-amqp", daemon=True)
        self._linked: dict[Linked, None] = {}
        self._reconnection = Reconnection()
        # Calls of threads that have not begun; none is added after the close.
        self._calls: deque[Callable[[], None]] = deque()
        self._guard = threading.Lock()
        self._is_closed = False
        self._why_closed = "the connection was closed"
        # Has the last call begun? Until then the thread works through earlier ones.
        self._is_leaving = False
        when_forked(self)

    # ------------------------------------------------------------------ from any thread

    def open(self) -> None:
        """Connect, once. Raises ConnectionLost, AccessRefused."""
        future = self._reconnection.first()
        self._thread.start()
        self.call(self._connect)
        try:
            future.get()
        except BaseException:
            self.close()
            raise

    def require_open(self) -> None:
        """Raises Closed. Call it before taking any lock: in a forked child a lock may be held for ever."""
        if self._is_closed:
            raise Closed(self._why_closed)

    def forked(self) -> None:
        """Drop everything in a forked child.

        It has no thread, and its copy of the socket would hide the parent's end.
        """
        self._is_closed = True
        self._why_closed = FORKED
        sock = self._socket
        if sock is not None:
            # Without the library, which would change the parent's selector and notify the broker.
            os.close(sock.detach())

    @property
    def _socket(self) -> socket.socket | None:
        """The socket of pika's connection, while there is one."""
        return getattr(getattr(self.connection, "_transport", None), "_sock", None)

    def call(self, function: Callable[[], None]) -> None:
        """Run a function in the connection's thread. Raises Closed."""
        self._add_call(function)

    def _add_call(self, function: Callable[[], None], *, is_last: bool = False) -> None:
        self.require_open()
        with self._guard:
            self.require_open()
            self._is_closed = is_last
            self._calls.append(function)
            self._loop.add_callback_threadsafe(self._next_call)

    def when_open(self, function: Callable[[], None], future: Future[Any]) -> None:
        """Run a function in the connection's thread once there is a connection; the future fails if there is none.

        Raises Closed; called in the connection's thread, it fails the future with Closed instead.
        """

        def begin() -> None:
            try:
                function()
            except Exception:
                # It ends the thread, so it is not among the calls that fail then.
                future.fail(ConnectionLost(FAILED))
                raise

        def run() -> None:
            if self.connection is not None:
                begin()
                return
            self._reconnection.wait(begin, future)
            if not self._reconnection.is_connecting:
                self._begin_again()

        try:
            self.call(run)
        except Closed as error:
            if threading.current_thread() is not self._thread:
                raise
            future.fail(error)

    def close(self) -> None:
        """Close the connection and end the thread, soon, whatever it is doing. A second call does nothing."""
        try:
            self._add_call(self._say_goodbye, is_last=True)
        except Closed:
            return
        self._thread.join(self._goodbye + TO_END)

    # ------------------------------------------------------------------ in the connection's thread

    def attach(self, linked: Linked) -> None:
        """Add a user, who is told about the connection from now on."""
        self._linked[linked] = None

    def detach(self, linked: Linked) -> None:
        """Remove a user."""
        self._linked.pop(linked, None)

    def channel(self, opened: Callable[[Any], None], closed: Callable[[BatonError], None]) -> None:
        """Open a channel. ``closed`` is called once when the channel is lost, unless the whole connection is."""
        # A lost connection calls `link_lost`; pika closes its channels as well, with the same reason.
        if self.connection is None:
            closed(ConnectionLost("the connection was lost"))
            return
        channel = self.connection.channel(on_open_callback=opened)
        channel.add_on_close_callback(lambda _channel, reason: closed(self.reason(reason)))

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Call a function after so many seconds."""
        self._loop.call_later(seconds, function)

    def _next_call(self) -> None:
        self._calls.popleft()()

    def _run(self) -> None:
        try:
            self._loop.start()
        except Exception:  # a bug of ours or pika's: nobody may wait for a thread that has ended
            log.exception(FAILED)
            self._fail()
        finally:
            self._loop.close()

    def _fail(self) -> None:
        """Fail everything that is waiting, calls that have not begun included."""
        reason = ConnectionLost(FAILED)
        with self._guard:
            self._is_closed = True
        if (sock := self._socket) is not None:
            sock.close()
        self.connection = self._attempt = None
        self._is_leaving = True
        while self._calls:
            try:
                self._next_call()
            except Exception:
                log.exception("a call failed after the connection's thread")
        self._fail_all(reason)

    def _connect(self) -> None:
        if self._is_leaving:
            return
        self._reconnection.attempted()
        self._attempt = WireConnection(
            self.parameters,
            on_open_callback=self._opened,
            on_open_error_callback=self._not_opened,
            on_close_callback=self._lost,
            custom_ioloop=self._loop,
            dial=self._dial,
        )

    def _opened(self, connection: WireConnection) -> None:
        self.connection = connection
        self._attempt = None
        self.product = product_of(connection.server_properties)
        self._blocked = None
        connection.add_on_connection_blocked_callback(self._block)
        connection.add_on_connection_unblocked_callback(self._unblock)
        self._reconnection.opened(self._tell_opened)

    def _tell_opened(self) -> None:
        for linked in list(self._linked):
            linked.link_opened()

    def _not_opened(self, _connection: object, error: BaseException) -> None:
        self._attempt = None
        if self._is_leaving:
            self._end()
            return
        reason = unreachable(error, self.parameters)
        pause = self._reconnection.next_pause()
        if pause is None:
            self._fail_all(reason)
        else:
            self._loop.call_later(pause, self._connect)

    def _lost(self, _connection: object, error: BaseException) -> None:
        self.connection = None
        if self._is_leaving:
            self._end()
            return
        reason = error_of(error)
        if not isinstance(reason, ConnectionLost):
            # An error from the peer ends the calls under way, but reconnecting is worth a try.
            reason = ConnectionLost(f"the broker closed the connection: {reason}")
        for linked in list(self._linked):
            linked.link_lost(reason)
        self._begin_again()

    def reason(self, error: BaseException) -> BatonError:
        """Why a channel is gone. If we are closing the connection, that is the reason, whatever the broker says."""
        return Closed(self._why_closed) if self._is_leaving else error_of(error)

    def _begin_again(self) -> None:
        self._reconnection.start()
        self._connect()

    def _fail_all(self, reason: BatonError) -> None:
        self._reconnection.give_up(reason)
        for linked in list(self._linked):
            linked.link_given_up(reason)

    def _say_goodbye(self) -> None:
        self._is_leaving = True
        if self.connection is None:
            self._cut()
            return
        # A connection that is not open is being closed by the broker, or after an error, and is about to be lost.
        if self.connection.is_open:
            self.connection.close()
        self._loop.call_later(self._goodbye, self._cut)

    def _cut(self) -> None:
        """End without the broker's answer."""
        connection = self.connection or self._attempt
        if connection is None:
            self._end()
        else:
            connection.cut()

    def _end(self) -> None:
        self._fail_all(Closed(self._why_closed))
        self._loop.stop()

    # ------------------------------------------------------------------ a broker that does not listen

    def _block(self, connection: WireConnection, frame: Method) -> None:
        """The broker is short of memory or disk (connection.blocked): RabbitMQ stops reading from this connection."""
        self._blocked = blocked = ConnectionLost(f"the broker takes no messages: {frame.method.reason}")

        def end() -> None:
            if self._blocked is blocked and self.connection is connection:
                connection.cut(blocked)

        # BatonMQ reads on, and refuses messages that it cannot take.
        if not self.product.is_ours:
            self._loop.call_later(self._blocked_patience, end)

    def _unblock(self, _connection: object, _frame: object) -> None:
        self._blocked = None
