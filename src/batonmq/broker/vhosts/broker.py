"""The broker: virtual hosts over one store, and the turn that ties them together.

The host (a server, an embedded engine) feeds operations in; what they changed is noted. When its loop's turn ends it
calls ``end_turn``: queues that were touched hand over what they can. What was collected for the store is committed in
a thread, and ``commit_done`` tells those who wait for it.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Protocol

from batonmq.broker.lanes.refilling import can_refill, refill, wants_refill
from batonmq.broker.model.faults import Faults
from batonmq.broker.model.memory import Memory
from batonmq.broker.model.timetable import Timetable
from batonmq.broker.model.turn_time import TurnTime
from batonmq.broker.vhosts.restoring import restore
from batonmq.broker.vhosts.vacuum import Tidying
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.clock import Clock
from batonmq.errors import BrokerError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.queues.queue import Queue
    from batonmq.store.interface import Store

log = logging.getLogger("batonmq.broker")

MEMORY_LIMIT = 128 << 20
# What a turn does of work that can be done bit by bit, for all queues together, so that nobody is held up by it: so
# many messages that fall due take about 3 ms, with what the store does for them.
SHARE = 256
# Queues are read on for so long in one turn, and no further: at a start there may be thousands that want it.
READ_SECONDS = 0.005


class Chore(Protocol):
    """Work of a queue that is done a bit in each turn: messages that fall due, deadlines that have passed."""

    def work(self, most: int) -> int:
        """Do at most so much and tell how much it was; ask again if there is more. Raises StoreError."""
        ...


class CommitWaiter(Protocol):
    """Somebody who waits until a batch is on the disk."""

    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""
        ...

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept; their messages are gone."""
        ...


class StoreObserver(Protocol):
    """Somebody who tells his client whether publishing makes sense now."""

    def store_failing(self, error: StoreError) -> None:
        """The store cannot write: persistent messages are refused."""
        ...

    def store_recovered(self) -> None:
        """It can again."""
        ...


class Broker:
    """See the module.

    ``store`` is opened here, which reads all definitions back. Raises StoreError.
    """

    def __init__(self, store: Store, clock: Clock | None = None, *, memory_limit: int = MEMORY_LIMIT) -> None:
        self.store = store
        self.clock = clock or Clock()
        self.timetable = Timetable(self.clock)
        self.faults = Faults(self.timetable)
        self.memory = Memory(memory_limit)
        self.turn_time = TurnTime(self.clock)
        # Set by the host: call end_turn() soon.
        self.on_work: Callable[[], None] = lambda: None
        # False: nothing is handed out and nothing falls due, since somebody else did that last or will do it next.
        self.is_serving = True
        self.vhosts: dict[str, VirtualHost] = {}
        self._touched: list[Queue] = []
        self._waiters: dict[CommitWaiter, None] = {}
        self._refills: dict[Lane, None] = {}
        self._expiries: dict[Lane, None] = {}
        self._scans: dict[Queue, None] = {}
        self._chores: dict[Chore, None] = {}
        self._reading: list[Callable[[], None]] = []
        self._tidying = Tidying(self)
        # Sessions that want to know when the store stops and starts taking writes.
        self.observers: dict[StoreObserver, None] = {}
        restore(self)

    # ------------------------------------------------------------------ virtual hosts

    def add_vhost(self, name: str) -> VirtualHost:
        """The virtual host of that name, made if it is not there."""
        vhost = self.vhosts.get(name)
        if vhost is None:
            vhost = self.vhosts[name] = VirtualHost(self, name)
        return vhost

    def rights_changed(self) -> None:
        """Users may do more or less than before: what sessions know of routes is not good any more."""
        for vhost in self.vhosts.values():
            vhost.version += 1

    # ------------------------------------------------------------------ the turn

    @property
    def is_touched(self) -> bool:
        """Is there anything to hand over?"""
        return bool(self._touched)

    def touched(self, queue: Queue) -> None:
        """A queue has something to do when the turn ends."""
        if not self._touched:
            self.on_work()
        self._touched.append(queue)

    def dispatch_touched(self) -> None:
        """Hand over what can be handed over now."""
        while self._touched and self.is_serving:
            touched, self._touched = self._touched, []
            for queue in touched:
                if not queue.deleted:
                    self.faults.attempt(queue.dispatch)

    def end_turn(self) -> None:
        """Called by the host once a turn of its loop."""
        self.turn_time.begin()
        if not self.is_serving:
            return
        self.dispatch_touched()
        if not self.store.busy:
            if self._has_reads:
                self._read_on()
            if self._chores and self.store.error is None:
                self._work()
            self._answer_idle_waiters()
        elif self._refills:
            self._read_committed()

    @property
    def wants_turn(self) -> bool:
        """Is something left to do that another turn would do? For hosts that do not wait for ``on_work``."""
        return bool(self._touched or self._chores or self._has_reads)

    def wants_work(self, chore: Chore) -> None:
        """There is something to do for this one, when it is its turn and the store is free."""
        self._chores[chore] = None
        if not self.store.busy:
            self.on_work()

    def _work(self) -> None:
        chores, self._chores = self._chores, {}
        left = SHARE
        waiting: dict[Chore, None] = {}
        for chore in chores:
            if left <= 0:
                waiting[chore] = None
                continue
            left -= self.faults.insist(partial(self.wants_work, chore), self._work_on, chore, left) or 0
        # Those that have had nothing come first in the next turn.
        self._chores = {**waiting, **self._chores}
        self.dispatch_touched()
        if self._chores:
            self.on_work()

    def _work_on(self, chore: Chore, most: int) -> int:
        try:
            return chore.work(most)
        except StoreError as error:
            self._try_later(error, partial(self.wants_work, chore))
            return 0

    # ------------------------------------------------------------------ the store

    def await_commit(self, waiter: CommitWaiter, *, sync: bool = True) -> None:
        """Have the waiter told of the next commit; without ``sync`` it need only survive the end of the process."""
        self._waiters[waiter] = None
        if sync:
            self.store.must_sync = True

    def when_read(self, callback: Callable[[], None]) -> None:
        """Call back when the store has been read on."""
        self._reading.append(callback)
        self.on_work()

    def wants_refill(self, lane: Lane) -> None:
        """The lane's window is short."""
        self._refills[lane] = None
        if can_refill(lane):
            self.on_work()

    def wants_scan(self, queue: Queue) -> None:
        """The queue's consumers have not looked at everything yet."""
        self._scans[queue] = None
        if not self.store.busy:
            self.on_work()

    def wants_expiry(self, lane: Lane) -> None:
        """Messages in the store may have expired."""
        self._expiries[lane] = None
        if not self.store.busy:
            self.on_work()

    def commit_done(self, error: StoreError | None) -> None:
        """The store's commit returned. The host then ends the turn, and stages the next batch if there is one."""
        was_failing = self.store.error is not None
        lost = self.store.finish(error)
        batch = self.store.batch - 1
        for queued in lost:
            queue = queued.lane.queue
            if not queue.deleted:
                self.faults.attempt(queue.lost, queued)
                # What was left to the store alone and is lost shows when that is read on.
                queue.touch()
        waiters, self._waiters = self._waiters, {}
        if error is None:
            if was_failing and self.store.error is None:
                log.warning("the store can write again")
                self._routes_changed()
                for observer in list(self.observers):
                    self.faults.attempt(observer.store_recovered)
            for waiter in waiters:
                self.faults.attempt(waiter.batch_committed, batch)
            self._tidying.committed()
        else:
            if not was_failing:
                log.error("%s; publishes of persistent messages are refused until it can", error)
                self._routes_changed()
                for observer in list(self.observers):
                    self.faults.attempt(observer.store_failing, error)
            for waiter in waiters:
                self.faults.attempt(waiter.batch_failed, batch, error)
        if self._has_reads:
            self._read_on()
        self._answer_idle_waiters()

    def _answer_idle_waiters(self) -> None:
        """Those who wait for a batch that has nothing left in it: all of it was settled before it was written."""
        if self._waiters and not self.store.has_work():
            waiters, self._waiters = self._waiters, {}
            for waiter in waiters:
                self.faults.attempt(waiter.batch_committed, self.store.batch)

    def _routes_changed(self) -> None:
        """Have every publish looked at anew: whether the store takes messages is part of where they may go."""
        for vhost in self.vhosts.values():
            vhost.version += 1

    @property
    def _has_reads(self) -> bool:
        return bool(self._refills or self._expiries or self._scans or self._reading)

    def _read_committed(self) -> None:
        """Read on while the store commits, where that can be done."""
        self._refill_some()
        self.dispatch_touched()

    def _refill_some(self) -> None:
        """Fill windows for as long as a turn may take; those that have had nothing come first in the next one."""
        refills, self._refills = self._refills, {}
        end = self.clock.monotonic() + READ_SECONDS
        waiting: dict[Lane, None] = {}
        for lane in refills:
            if self.clock.monotonic() >= end:
                waiting[lane] = None
            elif not can_refill(lane) or self.faults.insist(lane.queue.touch, self._refill, lane) is False:
                self._refills[lane] = None
        if waiting:
            self._refills = {**waiting, **self._refills}
            self.on_work()

    def _expire_some(self) -> None:
        """The same for what may have expired in the store."""
        expiries, self._expiries = self._expiries, {}
        end = self.clock.monotonic() + READ_SECONDS
        waiting: dict[Lane, None] = {}
        for lane in expiries:
            if self.clock.monotonic() >= end:
                waiting[lane] = None
            else:
                self.faults.insist(partial(self.wants_expiry, lane), self._expire, lane)
        if waiting:
            self._expiries = {**waiting, **self._expiries}
            self.on_work()

    def _refill(self, lane: Lane) -> bool:
        """Fill the window of a lane; False: it must be tried again after a commit."""
        if not lane.paged or lane.queue.deleted or not wants_refill(lane):
            return True
        try:
            if refill(lane):
                # Its dispatch asks for more, if it is still short.
                lane.queue.touch()
                return True
        except StoreError as error:
            self._try_later(error, partial(self.wants_refill, lane))
            return True
        return not lane.paged

    def _try_later(self, error: StoreError, what: Callable[[], None]) -> None:
        log.error("%s; it is tried again in a second", error)
        self.timetable.after(1.0, what)

    def _read_on(self) -> None:
        callbacks, self._reading = self._reading, []
        scans, self._scans = self._scans, {}
        for queue in scans:
            queue.touch()
        self._refill_some()
        self._expire_some()
        for callback in callbacks:
            self.faults.attempt(callback)
        self.dispatch_touched()

    def _expire(self, lane: Lane) -> None:
        if not lane.paged or lane.queue.deleted or lane.queue.fault:
            return
        try:
            lane.queue.expiry.expire_paged(lane)
        except StoreError as error:
            self._try_later(error, partial(self.wants_expiry, lane))

    # ------------------------------------------------------------------ timers and the end

    def next_due(self) -> float | None:
        """The monotonic time at which ``run_timers`` should be called; None: not before something happens."""
        return self.timetable.next_due()

    def run_timers(self) -> None:
        """Do what is due."""
        for callback in self.timetable.due():
            self.faults.insist(callback, callback)

    def close(self) -> None:
        """Commit what is left, note what waits where, close the store. Sessions must be gone by now."""
        self.dispatch_touched()
        waiting: dict[int, tuple[int, int]] = {}
        for vhost in self.vhosts.values():
            for queue in vhost.queues.values():
                if queue.kept:
                    for part in (*queue.lanes, *((queue.delays,) if queue.delays is not None else ())):
                        survivors = part.survivors()
                        if survivors is not None:
                            waiting[part.lane_id] = survivors
        self.store.close(waiting)


__all__ = ["Broker", "BrokerError", "CommitWaiter"]
