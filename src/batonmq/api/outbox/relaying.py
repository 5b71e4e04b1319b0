"""The threads that relay for a connection: one for each database."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from typing import Protocol

from batonmq.api.outbox.async_libraries import async_database_of
from batonmq.api.outbox.database import Database, Transactional
from batonmq.api.outbox.libraries import database_of
from batonmq.api.outbox.outbox import Outbox
from batonmq.api.outbox.relay import Relay
from batonmq.api.outbox.writing import AsyncWriting, Writing
from batonmq.engines.forks import when_forked
from batonmq.engines.interface import Engine
from batonmq.errors import Closed

__all__ = ["Connected", "RelayThread", "Relaying", "relay_all", "relay_now", "relay_thread", "require_committed"]

log = logging.getLogger("batonmq.outbox")

# How often to poll the table for messages of other processes, or of commits that were not reported; and how soon after
# a write whose commit will not be reported. In seconds.
POLL_SECONDS = 1.0
SOON_SECONDS = 0.02
# Pauses while the broker or the database cannot be reached, in seconds.
AWAY_SECONDS, AWAY_SECONDS_MAX = 0.5, 30.0
# How long closing a connection waits for messages being relayed, in seconds.
CLOSE_SECONDS = 5.0


class Connected(Protocol):
    """A connection of ``batonmq.connect`` or ``batonmq.aio.connect``."""

    _engine: Engine


class RelayThread:
    """Relays whenever it is told to, and from time to time."""

    def __init__(self, engine: Engine, opener: Callable[[], Database], *, polls: bool) -> None:
        """``opener`` opens the database, in the new thread. ``polls``: keep polling the table when it is empty."""
        self._engine = engine
        self._opener = opener
        self._polls = polls
        self._wake = threading.Event()
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="batonmq-outbox", daemon=True)
        self._thread.start()

    def tell(self) -> None:
        """There is something to relay, or may be soon."""
        self._wake.set()

    def stop(self) -> None:
        """Have the thread end once the messages being relayed are done."""
        self._is_stopped.set()
        self._wake.set()

    @property
    def is_alive(self) -> bool:
        """Is the thread still running? It ends once the connection is closed."""
        return self._thread.is_alive()

    def join(self, seconds: float | None = None) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        away = AWAY_SECONDS
        while not self._is_stopped.is_set():
            try:
                self._relay()
            except Closed:
                return
            except Exception as error:  # noqa: BLE001  (the database's own, of whichever library)
                log.warning("the outbox cannot be relayed now, and is tried again in %g s: %s", away, error)
                if self._is_stopped.wait(away):
                    return
                away = min(away * 2, AWAY_SECONDS_MAX)
            else:
                away = AWAY_SECONDS
                self._wake.wait()

    def _relay(self) -> None:
        """Relay through one connection until it fails, is told to end, or has nothing left to do."""
        database = self._opener()
        try:
            relay = Relay(self._engine, database)
            pause = SOON_SECONDS
            while not self._is_stopped.is_set():
                self._wake.clear()
                done = relay.run()
                if done:
                    pause = SOON_SECONDS
                elif done == 0 and not relay.is_held_up and not self._polls:
                    # An idle connection is closed: it would hold up whoever deletes the database.
                    return
                elif self._wake.wait(pause):
                    pause = SOON_SECONDS
                else:
                    pause = min(pause * 2, POLL_SECONDS)
        finally:
            database.close()


class Relaying:
    """The relays of one connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads: dict[Hashable, RelayThread] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        when_forked(self)

    def outbox(self, connection: object, *, relay: bool) -> Outbox:
        """An outbox in the database of an application's connection. Raises TypeError, ValueError, Closed."""
        if self._is_closed:
            raise Closed("the connection is closed")
        can = self._engine.capabilities
        awaited = async_database_of(connection)
        if awaited is not None:
            return Outbox(AsyncWriting(awaited, self._tell if relay else None), can)
        database = database_of(connection)
        if not relay:
            return Outbox(Writing(database, lambda: None), can)
        # Fetched now: after the commit the application's connection may be closed.
        where, opener, polls = database.where, database.opener(), database.polls
        return Outbox(Writing(database, lambda: self._tell(where, opener, polls=polls)), can)

    def _tell(self, where: Hashable, opener: Callable[[], Database], *, polls: bool = True) -> None:
        with self._lock:
            # Messages committed later are left to other relays.
            if self._is_closed:
                return
            thread = self._threads.get(where)
            if thread is None:
                thread = self._threads[where] = RelayThread(self._engine, opener, polls=polls)
        thread.tell()

    def close(self) -> None:
        """End the threads and close the engine."""
        with self._lock:
            self._is_closed = True
            threads, self._threads = list(self._threads.values()), {}
        for thread in threads:
            thread.stop()
        end = time.monotonic() + CLOSE_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        # Closing the engine ends a send that waits for a broker.
        self._engine.close()
        for thread in threads:
            thread.join()

    def forked(self) -> None:
        """Forget the parent's threads."""
        self._lock = threading.Lock()
        self._is_closed = True
        self._threads = {}


def relay_now(mq: Connected, connection: object) -> int:
    """Relay the messages in the table, through the application's own connection, in this thread; returns how many.

    Returns when nothing is left but what queues refuse, or when another relay is at work. Raises ValueError while the
    connection is in a transaction, TypeError for anything but a connection, ConnectionLost, Closed, and the database's
    errors; messages that were not sent are still there.
    """
    database = database_of(connection)
    require_committed(in_transaction=database.in_transaction)
    return relay_all(mq, database)


def require_committed(*, in_transaction: bool) -> None:
    """Raises ValueError while the application's connection is in a transaction."""
    if in_transaction:
        raise ValueError("what is in the outbox is relayed when it is committed: the connection is in a transaction")


def relay_all(mq: Connected, database: Transactional, stop: threading.Event | None = None) -> int:
    """Relay until nothing is left but what queues refuse, or ``stop`` is set; returns how many were sent."""
    relay = Relay(mq._engine, database)
    moved = 0
    while (stop is None or not stop.is_set()) and (done := relay.run()):
        moved += done
    return moved


def relay_thread(mq: Connected, opener: Callable[[], Database]) -> RelayThread:
    """A thread that relays every message in the database, whoever wrote it, until it is stopped."""
    return RelayThread(mq._engine, opener, polls=True)
