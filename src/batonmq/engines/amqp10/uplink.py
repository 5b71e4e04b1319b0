"""The connection to the broker: a thread with its loop, which reconnects when the broker was away.

    down --(somebody wants it)--> connecting --> open --(lost)--> connecting ... --(too long)--> down

Everything but ``call``, ``open`` and ``close`` runs in that thread.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from batonmq.engines.amqp10.attempt import GOODBYE, Attempt, AttemptOwner
from batonmq.engines.amqp10.client.connection import Connection
from batonmq.engines.amqp10.client.link import Link
from batonmq.engines.amqp10.client.session import Session
from batonmq.engines.amqp10.loop import Loop
from batonmq.engines.amqp10.parameters import amqp10_parameters
from batonmq.engines.amqp10.products.desk import Announced
from batonmq.engines.forks import FORKED, when_forked
from batonmq.engines.futures import Future
from batonmq.engines.reconnection import Reconnection
from batonmq.engines.tls import UnusableTls
from batonmq.errors import BatonError, Closed, ConnectionLost

__all__ = ["Linked", "Uplink"]

log = logging.getLogger("batonmq.amqp10")

# How long a broker may take to answer when connecting, in seconds.
PATIENCE = 10.0
# Seconds for giving back held messages before closing.
GIVE_BACK = 5.0
# How long a broker that is alive may leave requests unanswered. RabbitMQ does so when it is short of memory or disk: it
# stops reading from connections that publish.
ANSWER_SECONDS = 60.0


class Linked(ABC):
    """A user of the uplink, whose links have to be attached again after a reconnect."""

    @abstractmethod
    def uplink_opened(self) -> None:
        """There is a connection again."""

    @abstractmethod
    def uplink_given_up(self, error: BatonError) -> None:
        """The connection is lost for good."""

    @abstractmethod
    def uplink_closing(self) -> Future[None]:
        """The connection is about to be closed: give back held messages. Resolved when that has been sent."""


class Uplink(AttemptOwner):
    """One connection to a broker, kept open. Any thread may call ``call``, ``open`` and ``close``."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None, patience: float | None = None) -> None:
        """Raises ValueError for a URL that cannot be read.

        ``patience``: how many seconds the broker has to answer when connecting; None: the usual ten.
        """
        self.patience = PATIENCE if patience is None else patience
        try:
            self.parameters = amqp10_parameters(url, context)
        except UnusableTls:
            raise
        except ValueError as error:
            raise ValueError(f"the AMQP URL cannot be read: {error}") from None
        self.announced = Announced()
        self.isolates_links = False
        self._container_id = f"batonmq-{secrets.token_hex(8)}"
        self._loop = Loop()
        self._loop.at_turn_end(self._flush)
        self._thread = threading.Thread(target=self._run, name="batonmq-amqp10", daemon=True)
        self._linked: dict[Linked, None] = {}
        self._reconnection = Reconnection()
        self._attempt: Attempt | None = None
        self._is_open = False
        self._is_closed = self._is_closing = False
        self._why_closed = "the connection was closed"
        self._finished: Future[None] = Future()
        self._shared: Session | None = None
        self._link_number = 0
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
        # The last releases happen in the connection's thread.
        if self._is_closed or (self._is_closing and threading.current_thread() is not self._thread):
            raise Closed(self._why_closed)

    def forked(self) -> None:
        """Drop everything in a forked child.

        It has no thread, and its copy of the socket would hide the parent's end.
        """
        self._is_closed = True
        self._why_closed = FORKED
        if self._attempt is not None:
            self._attempt.detach()
        self._loop.forked()

    def call(self, function: Callable[[], None]) -> None:
        """Run a function in the connection's thread. Raises Closed."""
        self.require_open()
        if not self._loop.call(function):
            raise Closed(self._why_closed)

    def when_open(self, function: Callable[[], None], future: Future[Any]) -> None:
        """Run a function in the connection's thread once there is a connection; the future fails if there is none."""

        def run() -> None:
            if self._is_open:
                function()
                return
            if self._is_closed:
                future.fail(Closed(self._why_closed))
                return
            self._reconnection.wait(function, future)
            if not self._reconnection.is_connecting:
                self._begin_again()

        if threading.get_ident() == self._thread.ident:
            # At once, so that calls from this thread keep their order.
            run()
        else:
            self.call(run)

    def close(self) -> None:
        """Close the connection and end the thread. A second call does nothing."""
        if self._is_closed or self._is_closing:
            return
        self.call(self._give_back)
        self._is_closing = True
        if threading.current_thread() is not self._thread:
            self._finished.wait(GIVE_BACK + 2 * GOODBYE)
            self._thread.join(GOODBYE)

    # ------------------------------------------------------------------ in the connection's thread

    @property
    def is_open(self) -> bool:
        """Is there a connection now?"""
        return self._is_open

    @property
    def connection(self) -> Connection | None:
        """The protocol, while there is a connection."""
        return self._attempt.connection if self._attempt is not None and self._is_open else None

    def attach_all_anew(self, linked: Linked) -> None:
        """Add a user, who is told of connections from now on."""
        self._linked[linked] = None

    def forget(self, linked: Linked) -> None:
        """Remove a user."""
        self._linked.pop(linked, None)

    def attach(self, link: Link, *, receives: bool, alone: bool = False) -> Session:
        """Attach a link, ``alone`` in a session or not; returns the session. Raises ConnectionLost."""
        session = self._session(for_one=alone or self.isolates_links)
        session.attach(link, receives=receives)
        self.expect(lambda: link.is_attached or link.is_gone)
        return session

    def attach_pair(self, sender: Link, receiver: Link) -> None:
        """Attach two links to one session. Raises ConnectionLost."""
        session = self._session(for_one=self.isolates_links)
        session.attach(sender, receives=False)
        session.attach(receiver, receives=True)

    def _session(self, *, for_one: bool) -> Session:
        connection = self.connection
        if connection is None:
            raise ConnectionLost("there is no connection")
        # Links share a session when none is left: RabbitMQ allows 64.
        if for_one and connection.session_count < connection.channel_max:
            return connection.begin(for_one=True)
        if self._shared is None or self._shared.is_gone:
            self._shared = connection.begin()
        return self._shared

    def expect(self, is_answered: Callable[[], bool]) -> None:
        """Give the connection up if a condition does not come true in time, so that nobody waits for ever."""
        attempt = self._attempt

        def look() -> None:
            if attempt is not None and attempt is self._attempt and not is_answered():
                attempt.drop(ConnectionLost(f"the broker has not answered for {ANSWER_SECONDS:g} s"))

        self._loop.later(ANSWER_SECONDS, look)

    def link_name(self, queue: str) -> str:
        """A name that no other link of ours has."""
        self._link_number += 1
        return f"{queue}-{self._container_id[8:]}-{self._link_number}"

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """Call a function after so many seconds; the returned object cancels it."""
        return self._loop.later(seconds, function)

    def say_settled(self) -> None:
        """Send settlements of all links before anything that is said next."""
        connection = self.connection
        if connection is not None:
            connection.say_settled()

    def soon(self, function: Callable[[], None]) -> None:
        """Call a function when all received data was handled."""
        self._loop.soon(function)

    def isolate_links(self) -> None:
        """Give each link a session of its own from now on."""
        self.isolates_links = True

    # ------------------------------------------------------------------ attempts

    def attempt_opened(self, attempt: Attempt) -> None:
        """The connection is open."""
        if attempt is not self._attempt:
            return
        self._shared = None
        self.announced = attempt.announced
        self._is_open = True
        if self._is_closed:
            attempt.say_goodbye()
            return
        self._reconnection.opened(self._tell_opened)

    def _tell_opened(self) -> None:
        for linked in list(self._linked):
            linked.uplink_opened()

    def attempt_over(self, attempt: Attempt, error: BatonError | None) -> None:
        """The connection is gone, or there never was one."""
        if attempt is not self._attempt:
            return
        was_open, self._is_open = self._is_open, False
        self._attempt = None
        self._shared = None
        attempt.connection.lost(error or Closed("the connection was closed"))
        if self._is_closed:
            self._fail_all(Closed(self._why_closed))
            self._loop.stop()
        elif was_open:
            self._begin_again()
        else:
            self._not_opened(error or ConnectionLost("there is no connection"))

    def _not_opened(self, error: BatonError) -> None:
        pause = self._reconnection.next_pause()
        if pause is None:
            self._fail_all(error)
        else:
            self._loop.later(pause, self._connect)

    def _begin_again(self) -> None:
        self._reconnection.start()
        self._connect()

    def _connect(self) -> None:
        if self._is_closed:
            self._loop.stop()
            return
        self._reconnection.attempted()
        attempt = self._attempt = Attempt(self, self.parameters, self._container_id, self._loop)
        attempt.begin(self.patience)

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            self._loop.run()
        except Exception:  # a bug of ours: nobody may wait for a thread that has ended
            log.exception("the connection's thread has failed")
            self._is_closed = True
            self._is_open = False
            failed = ConnectionLost("the connection's thread has failed")
            attempt, self._attempt = self._attempt, None
            if attempt is not None:
                with contextlib.suppress(Exception):
                    attempt.connection.lost(failed)
                attempt.drop()
            self._fail_all(failed)
        finally:
            # Calls that were just made fail: there is no connection.
            with contextlib.suppress(Exception):
                self._loop.finish()
            self._loop.close()
            self._finished.resolve(None)

    def _flush(self) -> None:
        if self._attempt is not None:
            self._attempt.flush()

    def _fail_all(self, reason: BatonError) -> None:
        self._reconnection.give_up(reason)
        for linked in list(self._linked):
            linked.uplink_given_up(reason)

    def _give_back(self) -> None:
        """Give back held messages in order, so that they count; then close."""
        self._is_closing = True
        left = [linked.uplink_closing() for linked in list(self._linked)]

        def one_left() -> None:
            if all(future.done for future in left):
                self._say_goodbye()

        self.later(GIVE_BACK, self._say_goodbye)
        for future in left:
            future.when_done(one_left)
        one_left()

    def _say_goodbye(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        attempt = self._attempt
        if attempt is not None and self._is_open:
            attempt.say_goodbye()
        elif attempt is not None:
            attempt.drop()
        else:
            self._fail_all(Closed(self._why_closed))
            self._loop.stop()
