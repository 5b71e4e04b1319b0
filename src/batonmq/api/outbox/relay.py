"""Sends the messages in the table, in order, and deletes each row when its message is safe in its queue.

One relay works at a time: with PostgreSQL under an advisory lock that goes with the transaction, with SQLite under a
lock of the system beside the file, so that no writer of that file waits for a broker. A relay that is killed
between the two steps has sent what the next one sends again: the queue knows the message by its id.
"""

from __future__ import annotations

import logging
import time
from itertools import groupby
from operator import attrgetter

from batonmq.api.outbox.database import Transactional
from batonmq.api.outbox.table import DELETE, LOCK, Waiting, select_statement
from batonmq.engines.exclusive import Exclusive
from batonmq.engines.interface import Engine
from batonmq.errors import BatonError, Closed, ConnectionLost

__all__ = ["Relay"]

log = logging.getLogger("batonmq.outbox")

# Messages per pass, sent in one commit for each queue: a few milliseconds.
BATCH = 100
# How long a queue that refuses messages is left alone, in seconds; doubled each time.
PAUSE, PAUSE_MAX = 1.0, 60.0


class Relay:
    """Relays from one database to one engine. Belongs to one thread."""

    def __init__(self, engine: Engine, database: Transactional) -> None:
        self._engine = engine
        self._database = database
        self._exclusive = Exclusive(f"{database.file}-outbox") if database.file is not None else None
        # Queues that refused messages: the current pause of each in seconds, and its end.
        self._paused: dict[str, tuple[float, float]] = {}
        self._was_told: dict[str, str] = {}
        self._lost: ConnectionLost | Closed | None = None

    @property
    def is_held_up(self) -> bool:
        """Does any queue refuse its messages?"""
        return bool(self._paused)

    def run(self) -> int | None:
        """Relay up to BATCH messages; returns how many, 0 when none waits.

        None: another relay is at work. Raises ConnectionLost, Closed, and the database's errors; messages that were not
        sent are still there then.
        """
        done = self._under_lock() if self._database.dialect == "postgresql" else self._beside_file()
        lost, self._lost = self._lost, None
        if lost is not None:
            raise lost
        return done

    def _under_lock(self) -> int | None:
        with self._database.transaction():
            ((is_ours,),) = self._database.execute(LOCK)
            if not is_ours:
                return None
            done = self._send_all(self._read())
            self._delete(done)
        return len(done)

    def _beside_file(self) -> int | None:
        if self._exclusive is not None and not self._exclusive.take():
            return None
        try:
            with self._database.transaction(writes=False):
                waiting = self._read()
            done = self._send_all(waiting)
            if done:
                with self._database.transaction():
                    self._delete(done)
        finally:
            if self._exclusive is not None:
                self._exclusive.release()
        return len(done)

    def _read(self) -> list[Waiting]:
        now = time.monotonic()
        paused = [queue for queue, (_, until) in self._paused.items() if until > now]
        rows = self._database.execute(select_statement(BATCH, len(paused)), paused)
        return [Waiting.of(row) for row in rows]

    def _delete(self, numbers: list[int]) -> None:
        for number in numbers:
            self._database.execute(DELETE, (number,))

    def _send_all(self, waiting: list[Waiting]) -> list[int]:
        """Returns the rows whose messages are safe."""
        done: list[int] = []
        by_queue = attrgetter("queue")
        for queue, group in groupby(sorted(waiting, key=by_queue), by_queue):
            try:
                self._send(queue, list(group), done)
            except (ConnectionLost, Closed) as error:
                # Raised only after the messages sent so far are recorded.
                self._lost = error
                break
        return done

    def _send(self, queue: str, waiting: list[Waiting], done: list[int]) -> None:
        """Add the safe rows to ``done``. A message that its queue refuses stays, with all that follow it."""
        try:
            self._engine.send(queue, [one.message() for one in waiting]).get()
        except (ConnectionLost, Closed):
            raise
        except BatonError as error:
            if len(waiting) == 1:
                self._pause(queue, waiting[0], error)
                return
        else:
            self._go_on(queue)
            done += [one.number for one in waiting]
            return
        # One message is refused; those before it are not.
        for one in waiting:
            before = len(done)
            self._send(queue, [one], done)
            if len(done) == before:
                return

    def _pause(self, queue: str, first: Waiting, error: BatonError) -> None:
        seconds = min(self._paused.get(queue, (PAUSE / 2, 0.0))[0] * 2, PAUSE_MAX)
        self._paused[queue] = seconds, time.monotonic() + seconds
        said = str(error)
        if self._was_told.get(queue) != said:
            self._was_told[queue] = said
            log.warning(
                "message %r of the outbox, and what follows it to queue %r, waits: %s", first.identity, queue, said
            )

    def _go_on(self, queue: str) -> None:
        if self._paused.pop(queue, None) is not None:
            del self._was_told[queue]
            log.info("queue %r takes messages of the outbox again", queue)
