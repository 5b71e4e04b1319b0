"""A broker without a server: driven turn by turn, with a clock that is moved by hand, and sessions without sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from batonmq.broker import Broker, Permission, User
from batonmq.broker.model.sockets import Ends, Socket, TlsTerms
from batonmq.clock import Clock
from batonmq.store import MemoryStore, Store

__all__ = ["ENDS", "EVERYTHING", "ByHand", "HandClock", "Host", "StillSocket"]

log = logging.getLogger("batonmq.connection")

EVERYTHING = User("guest", frozenset({"administrator"}), {"/": Permission()})
# Little enough that some dozens of messages of 1 KiB go to the store.
LITTLE_MEMORY = 64 << 10

ENDS = Ends("127.0.0.1", 1, "127.0.0.1", 5672)


class HandClock(Clock):
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now


class ByHand:
    """A broker over a store, with nobody but the caller to have it work."""

    def __init__(self, store: Store | None = None, *, memory_limit: int = LITTLE_MEMORY) -> None:
        self.memory_limit = memory_limit
        self.clock = HandClock()
        self.begin(MemoryStore() if store is None else store)

    def begin(self, store: Store) -> None:
        """Start over this store, as after the end of the process."""
        self.broker = Broker(store, self.clock, memory_limit=self.memory_limit)
        self._works = False
        self.broker.attach(self._work)

    def _work(self) -> None:
        self._works = True

    def turn(self) -> None:
        """One turn of a host's loop, with a commit if there is something to commit."""
        self._works = False
        self.broker.end_turn()
        if self.broker.store.has_work():
            self.commit(self.broker.store)

    def commit(self, store: Store) -> None:
        """Keep what was collected."""
        store.stage()
        store.commit()
        self.broker.commit_done(None)

    def settle(self) -> None:
        """Turns until there is nothing left to do."""
        for _ in range(10_000):
            self.turn()
            if not self._works and not self.broker.is_touched and not self.broker.store.has_work():
                return
        raise AssertionError("the broker finds no rest")

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += seconds
        self.broker.run_timers()
        self.settle()


@dataclass
class StillSocket:
    """A socket over which nothing goes."""

    ends: Ends = ENDS
    tls: TlsTerms | None = None
    octets_received: int = 0
    octets_sent: int = 0
    reads: int = 0
    writes: int = 0
    pending: int = 0
    is_held: bool = False


class Host:
    """The server, as far as a session needs it: passwords are checked at once, unless they are to wait."""

    def __init__(self, users: Mapping[str, tuple[str, User]]) -> None:
        self.users = users
        self.peer = "127.0.0.1:1"
        self.socket: Socket = StillSocket()
        self.is_loopback = True
        self.certificate_name = ""
        self.is_woken = False
        self.waits = False
        self.wants_tick = False
        self.asked: list[Callable[[], None]] = []

    def wake(self) -> None:
        self.is_woken = True

    def resume(self) -> None:
        """Whoever drives the session knows when to send."""

    def tick_soon(self) -> None:
        self.wants_tick = True

    def log_refusal(self, line: str, fields: Mapping[str, object]) -> None:
        log.warning("%s", line, extra=fields)

    def authenticate(self, user: str, password: str, callback: Callable[[User | None], None]) -> None:
        known, found = self.users.get(user, ("", None))

        def answer() -> None:
            callback(found if password == known else None)

        self._say(answer)

    def log_in_by_certificate(self, callback: Callable[[User | None], None]) -> None:
        _, found = self.users.get(self.certificate_name, ("", None))
        self._say(lambda: callback(found))

    def _say(self, answer: Callable[[], None]) -> None:
        if self.waits:
            self.asked.append(answer)
        else:
            answer()
