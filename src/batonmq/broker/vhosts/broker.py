"""The broker: virtual hosts over one store, and the turn that ties them together.

The host (a server, an embedded engine) feeds operations in; what they changed is noted. When its loop's turn ends it
calls ``end_turn``: queues that were touched hand over what they can. What was collected for the store is committed in
a thread, and ``commit_done`` tells those who wait for it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from batonmq.broker.model.commits import CommitWaiter
from batonmq.broker.model.scheduler import Scheduler
from batonmq.broker.model.turn_time import TurnTime
from batonmq.broker.vhosts.restoring import restore
from batonmq.broker.vhosts.vacuum import Vacuum
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.clock import Clock
from batonmq.errors import BrokerError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.store.interface import Store

log = logging.getLogger("batonmq.broker")

MEMORY_LIMIT = 128 << 20


class StoreObserver(Protocol):
    """Somebody who tells his client whether publishing makes sense now."""

    def store_failing(self, error: StoreError) -> None:
        """The store cannot write: persistent messages are refused."""
        ...

    def store_recovered(self) -> None:
        """It can again."""
        ...


class Broker:
    """All virtual hosts. Synchronous: a host calls it from one thread at a time."""

    def __init__(self, store: Store, clock: Clock | None = None, *, memory_limit: int = MEMORY_LIMIT) -> None:
        """Opens the store, which reads all definitions back. ``memory_limit``: bytes of messages held in memory.

        Raises StoreError, and StoreCorrupt for a file that is damaged or not ours.
        """
        self.store = store
        self.clock = clock or Clock()
        self.scheduler = Scheduler(store, self.clock, memory_limit)
        self.turn_time = TurnTime(self.clock)
        self.vhosts: dict[str, VirtualHost] = {}
        # Sessions that want to know when the store stops and starts taking writes.
        self.observers: dict[StoreObserver, None] = {}
        self._vacuum = Vacuum(self.scheduler)
        restore(self.add_vhost, store)

    def attach(self, host: Callable[[], None], on_timer: Callable[[], None] | None = None) -> None:
        """``host`` is called when a turn is to end soon, ``on_timer`` when ``next_due`` has changed."""
        self.scheduler.attach(host, on_timer)

    # ------------------------------------------------------------------ virtual hosts

    def add_vhost(self, name: str) -> VirtualHost:
        """The virtual host of that name, made if it is not there."""
        vhost = self.vhosts.get(name)
        if vhost is None:
            vhost = self.vhosts[name] = VirtualHost(self.scheduler, name)
        return vhost

    def rights_changed(self) -> None:
        """Users may do more or less than before: what sessions know of routes is not good any more."""
        self._routes_changed()

    def _routes_changed(self) -> None:
        """Have every publish looked at anew: whether the store takes messages is part of where they may go."""
        for vhost in self.vhosts.values():
            vhost.router.changed()

    # ------------------------------------------------------------------ the turn

    @property
    def is_touched(self) -> bool:
        """Is there anything to hand over?"""
        return self.scheduler.is_touched

    def dispatch_touched(self) -> None:
        """Hand over what can be handed over now."""
        self.scheduler.dispatch()

    def end_turn(self) -> None:
        """Called by the host once a turn of its loop."""
        self.turn_time.begin()
        if self.scheduler.is_serving:
            self.scheduler.run()
            if not self.store.busy:
                self.scheduler.commits.look()

    @property
    def wants_turn(self) -> bool:
        """Is something left to do that another turn would do? For hosts that do not wait to be called."""
        return self.scheduler.wants_turn

    def on_work(self) -> None:
        """Have the host end a turn soon."""
        self.scheduler.wake()

    @property
    def is_serving(self) -> bool:
        """Are messages handed out, and do they fall due? Not where another process does it."""
        return self.scheduler.is_serving

    def serve(self, is_serving: bool = True) -> None:
        """Hand out messages and let them fall due from now on, or no longer."""
        self.scheduler.serve(is_serving)

    # ------------------------------------------------------------------ the store

    def await_commit(self, waiter: CommitWaiter, *, sync: bool = True) -> None:
        """Have the waiter told of the next commit; without ``sync`` it need only survive the end of the process."""
        self.scheduler.commits.wait(waiter, sync=sync)

    def when_read(self, callback: Callable[[], None]) -> None:
        """Call back when the store has been read on."""
        self.scheduler.call(callback)

    def commit_done(self, error: StoreError | None) -> None:
        """The store's commit returned. The host then ends the turn, and stages the next batch if there is one."""
        scheduler = self.scheduler
        was_failing = self.store.error is not None
        lost = self.store.finish(error)
        batch = self.store.batch - 1
        for queued in lost:
            scheduler.faults.attempt(queued.settlement.lost, queued)
        if error is None:
            if was_failing and self.store.error is None:
                log.warning("the store can write again")
                self._routes_changed()
                for observer in list(self.observers):
                    scheduler.faults.attempt(observer.store_recovered)
            scheduler.commits.committed(batch)
            self._vacuum.committed()
        else:
            if not was_failing:
                log.error("%s; publishes of persistent messages are refused until it can", error)
                self._routes_changed()
                for observer in list(self.observers):
                    scheduler.faults.attempt(observer.store_failing, error)
            scheduler.commits.failed(batch, error)
        if scheduler.has_reads:
            scheduler.read_on()
        scheduler.commits.look()

    # ------------------------------------------------------------------ timers and the end

    def next_due(self) -> float | None:
        """The monotonic time at which ``run_timers`` should be called; None: not before something happens."""
        return self.scheduler.next_due()

    def run_timers(self) -> None:
        """Do what is due."""
        self.scheduler.run_timers()

    def close(self) -> None:
        """Commit what is left, note what waits where, close the store. Sessions must be gone by now."""
        self.scheduler.dispatch()
        waiting: dict[int, tuple[int, int]] = {}
        for vhost in self.vhosts.values():
            for queue in vhost.queues.values():
                if queue.survives_restart and not queue.spilled:
                    for part in (*queue.lanes, *((queue.delays,) if queue.delays is not None else ())):
                        waiting[part.lane_id] = part.survivors()
        self.store.close(waiting)


__all__ = ["Broker", "BrokerError", "CommitWaiter"]
