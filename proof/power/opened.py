"""A broker that finds what a loss of power has left, driven by hand: all that it has is taken out once."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import apsw

from batonmq.broker import Broker, Consumer, ManagedOperations, Permission, Queue, User
from batonmq.clock import Clock
from batonmq.errors import BatonError, StoreError
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.queued import QueuedMessage
from batonmq.store import SqliteStore
from proof.power.promises import Found

__all__ = ["NOTHING_YET", "ORDERED", "STORE", "Heard", "Opened", "damage_of", "look"]

STORE = "batonmq.db"
EVERYTHING = User("guest", frozenset({"administrator"}), {"/": Permission()})
MEMORY = 64 << 20
PATIENCE = 5
"""How many commits may fail until the file takes nothing any more."""
LATER = 7_200.0
"""After so many seconds every delay of a run is over."""
ORDERED = "ordered."
"""How the queues begin in which messages keep the order of their producers."""
NOTHING_YET = "all that it held is lost "
"""How a line ends that is right where nothing was promised: half of a new file is nothing."""
# What a start rightly says when the power went: of what nobody was told to be safe.
RIGHTLY = ("that is what nobody had confirmed",)


class Heard(logging.Handler):
    """What a broker logs that it should not: errors and tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.tracebacks: list[str] = []
        """Those of the lines that come with one."""

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear all that is logged meanwhile, and nobody else does."""
        logger = logging.getLogger("batonmq")
        before = logger.propagate
        logger.addHandler(self)
        logger.propagate = False
        try:
            yield
        finally:
            logger.propagate = before
            logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.exc_info or (record.levelno >= logging.ERROR and not any(part in said for part in RIGHTLY)):
            self.lines.append(f"logged: {said} {record.exc_info or ''}")
            if record.exc_info:
                self.tracebacks.append(self.lines[-1])


class _Later(Clock):
    """The system's, which can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def time(self) -> float:
        return time.time() + self.ahead


class _Taker(Consumer):
    """Takes all that it is given, and holds it."""

    queue: Queue

    def __init__(self, queue: Queue, found: Found, room: int = 1 << 30) -> None:
        super().__init__(queue, "", no_ack=False, priority=0)
        self._queue = queue
        self._room = room
        self._found = found
        self._is_gone = False
        self.name = queue.name
        self.order: list[str] = []
        self.taken: list[QueuedMessage] = []

    def deliver(self, queued: QueuedMessage) -> bool:
        name = queued.message.body.split(b".", 1)[0].decode(errors="replace")
        self._found.places[name][self._queue.name] += 1
        self._found.returns[name] = max(queued.return_count, self._found.returns.get(name, 0))
        self.order.append(name)
        self.taken.append(queued)
        return self.has_room()

    def has_room(self) -> bool:
        return not self._is_gone and len(self.order) < self._room

    def cancelled(self) -> None:
        """It stays where it is."""

    def leave(self) -> None:
        """Give all of it back."""
        self._is_gone = True
        self._queue.unsubscribe(self)
        self._queue.release(self.taken)


class Opened:
    """A broker over a store's file, of which a turn is one commit. Raises StoreError when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._clock = _Later()
        self.store = SqliteStore(str(path))
        self.broker = Broker(self.store, self._clock, memory_limit=MEMORY)
        self.operations = ManagedOperations(self.broker.vhosts["/"], EVERYTHING, self)
        self._takers: list[_Taker] = []
        self._works = False
        self.failure: StoreError | None = None
        """Why the file took nothing any more while rest was waited for."""
        self.broker.attach(self._work)

    def _work(self) -> None:
        self._works = True

    def publish(self, queue: str, name: str, size: int = 100) -> None:
        """To the default exchange; it is safe when the next turn has not failed."""
        message = Message("", queue, Properties.make(delivery_mode=2), name.encode().ljust(size, b"."))
        self.operations.vhost.router.publish(message, self.operations.resolve("", queue).targets)

    def turn(self) -> StoreError | None:
        """One turn of a host's loop, with a commit; why that failed."""
        self.broker.end_turn()
        if not self.store.has_work():
            return None
        self.store.stage()
        failure: StoreError | None = None
        try:
            self.store.commit()
        except StoreError as error:
            failure = error
        self.broker.commit_done(failure)
        return failure

    def accept_first(self, queue: str) -> str:
        """Take what stands first in a queue and accept it; "" where there is nothing."""
        taker = _Taker(self.operations.find_queue(queue), Found(), room=1)
        self.operations.subscribe(taker.queue, taker)
        self.broker.end_turn()
        for queued in taker.taken:
            taker.queue.accept(queued)
        taker.taken.clear()
        taker.leave()
        return taker.order[0] if taker.order else ""

    def take_all(self) -> Found:
        """All that is there now, and all that waits for its time."""
        found = Found()
        for queue in list(self.broker.vhosts["/"].queues.values()):
            taker = _Taker(queue, found)
            self.operations.subscribe(queue, taker)
            self._takers.append(taker)
        self._rest()
        found.order = {taker.name: list(taker.order) for taker in self._takers if taker.name.startswith(ORDERED)}
        self._clock.ahead += LATER
        while (due := self.broker.timetable.next_due()) is not None and due <= self._clock.monotonic():
            self.broker.run_timers()
            self._rest()
        self._definitions(found)
        return found

    def _rest(self) -> None:
        failures = 0
        for _ in range(1_000):
            self._works = False
            if failure := self.turn():
                failures += 1
                self.failure = failure
            if failures > PATIENCE or not (self._works or self.broker.is_touched or self.store.has_work()):
                return
        raise AssertionError("the broker finds no rest")

    def _definitions(self, found: Found) -> None:
        vhost = self.broker.vhosts["/"]
        for name in vhost.queues:
            if name.startswith("defined-"):
                found.places[f"queue {name}"] = Counter(there=1)
        for name in vhost.router.exchanges:
            if name.startswith("defined-"):
                found.places[f"exchange {name}"] = Counter(there=1)
                if self.operations.resolve(name, "key").targets:
                    found.places[f"binding {name}"] = Counter(there=1)

    def close(self) -> None:
        """As a broker that is stopped: what was taken comes back."""
        while self._takers:
            self._takers.pop().leave()
        self._rest()
        self.broker.close()


def look(folder: Path, heard: Heard) -> tuple[Found | None, list[str]]:
    """What a broker finds in a folder, and what is wrong with it beside that."""
    heard.lines.clear()
    try:
        opened = Opened(folder / STORE)
    except BatonError as error:
        return None, [f"it does not start: {error}"]
    try:
        found = opened.take_all()
    finally:
        opened.close()
    faults = list(heard.lines)
    if opened.failure is not None:
        faults.append(f"its file takes nothing: {opened.failure}")
    damage = damage_of(folder / STORE)
    return found, [*faults, f"SQLite finds it damaged: {damage}"] if damage else faults


def damage_of(store: Path) -> str:
    """What SQLite finds wrong with a file; "": nothing."""
    with contextlib.closing(apsw.Connection(str(store))) as db:
        try:
            checked = str(db.execute("PRAGMA integrity_check").get)
        except apsw.Error as error:
            # It is so damaged that it cannot even be looked through.
            return str(error)
    return "" if checked == "ok" else checked
