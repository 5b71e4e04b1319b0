"""The broker: virtual hosts over one store, and the turn that ties them together.

The host (a server, an embedded engine) feeds operations in, which note their changes. When its loop's turn ends it
calls ``end_turn``, and touched queues dispatch their messages. The changes collected for the store are committed in a
thread, and ``commit_done`` tells those who wait for the commit.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Protocol

from batonmq.broker.model.clients import Clients
from batonmq.broker.model.commits import CommitWaiter
from batonmq.broker.model.connection_events import ConnectionEvents
from batonmq.broker.model.events import ALARM_CLEARED, ALARM_RAISED, USERS_CHANGED, VHOST_CREATED, VHOST_DELETED
from batonmq.broker.model.scheduler import Scheduler
from batonmq.broker.model.turn_time import TurnTime
from batonmq.broker.vhosts.deletion import Deletion
from batonmq.broker.vhosts.directory import Directory
from batonmq.broker.vhosts.late_sync import LateSync
from batonmq.broker.vhosts.metadata import Metadata
from batonmq.broker.vhosts.parameters import Parameters
from batonmq.broker.vhosts.restoring import restore
from batonmq.broker.vhosts.vacuum import Vacuum
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.clock import Clock
from batonmq.errors import BrokerError, NotFound, PreconditionFailed, StoreError
from batonmq.field_encoding import text_octets
from batonmq.fields import NAME_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.store.interface import Store

log = logging.getLogger("batonmq.broker")

MEMORY_LIMIT = 128 << 20


class StoreObserver(Protocol):
    """A session that tells its client whether the store takes messages."""

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
        self.commits = self.scheduler.commits
        """Sessions wait here for the store to commit."""
        self.timetable = self.scheduler.timetable
        """Tells the host when ``run_timers`` is to be called."""
        self.turn_time = TurnTime(self.clock)
        self.vhosts: dict[str, VirtualHost] = {}
        self.events = self.scheduler.events
        """Tells whoever watches what happens here."""
        self.clients = Clients()
        self.clients.watch(ConnectionEvents(self.events))
        """Sessions say here who has logged in, for listings."""
        self._directory = Directory(self.vhosts, self.clients)
        self._observers: dict[StoreObserver, None] = {}
        self._vacuum = Vacuum(self.scheduler)
        self._late_sync = LateSync(self.scheduler)
        self.parameters = Parameters(store)
        """What operators have set for components."""
        # Why the last commit failed; None: it did not.
        self._commit_error: StoreError | None = None
        self._last_words: Callable[[str, Callable[[], None]], None] = lambda _, go: go()
        # By name, the virtual hosts that are being deleted.
        self._deletions: dict[str, Deletion] = {}
        restore(self.add_vhost, self.parameters, store)
        self.vhosts["/"].fix()
        for vhost in [vhost for vhost in self.vhosts.values() if vhost.is_retired]:
            log.warning("virtual host %r was being deleted when the broker ended: that goes on", vhost.name)
            self._delete(vhost)

    def attach(self, host: Callable[[], None], on_timer: Callable[[], None] | None = None) -> None:
        """``host`` is called when a turn is to end soon, ``on_timer`` when the next timer is another."""
        self.scheduler.attach(host, on_timer)

    def limit_memory(self, limit: int) -> None:
        """Hold at most that many bytes of messages in memory from now on."""
        self.scheduler.memory.resize(limit)

    def hosted(self, host: Callable[[], dict[str, object]]) -> None:
        """``host`` tells of the process that the broker is in, for whoever asks for its status."""
        self._directory.hosted(host)

    # ------------------------------------------------------------------ virtual hosts

    def add_vhost(self, name: str) -> VirtualHost:
        """The virtual host of that name, created if it does not exist; what is left of a deleted one goes at once.

        For those that are there by themselves, or by the configuration: it is not written to the store.
        """
        vhost = self.vhosts.get(name)
        if vhost is None:
            deletion = self._deletions.pop(name, None)
            if deletion is not None:
                deletion.finish_now()
            vhost = self.vhosts[name] = VirtualHost(self.scheduler, name, self._directory)
        return vhost

    def create_vhost(self, name: str, metadata: Metadata | None = None) -> VirtualHost:
        """Make a virtual host, and keep it. Nobody has any rights in it yet.

        Raises PreconditionFailed as ``check_new_vhost`` does.
        """
        self.check_new_vhost(name)
        vhost = self.add_vhost(name)
        vhost.describe(metadata or Metadata())
        self.events.tell(VHOST_CREATED, vhost=name)
        return vhost

    def check_new_vhost(self, name: str) -> None:
        """Raises PreconditionFailed: there is one of that name, it is still being deleted, or it is not a name."""
        if name in self.vhosts:
            raise PreconditionFailed(f"there is a vhost '{name}' already")
        if name in self._deletions:
            raise PreconditionFailed(f"vhost '{name}' is still being deleted; try again when that is done")
        if not 0 < text_octets(name) <= NAME_MAX:
            raise PreconditionFailed(f"the name of a vhost has 1 to {NAME_MAX} octets of UTF-8")

    def delete_vhost(self, name: str) -> Deletion:
        """Delete a virtual host with all that is in it; its clients' connections are closed. It takes its time.

        From now on nobody can enter it and it is not in ``vhosts``; a crash does not bring it back once the store has
        committed. ``Deletion.when_done`` tells when nothing is left. Raises NotFound, and PreconditionFailed for one
        that is protected, or there by itself ("/") or by the configuration file.
        """
        vhost = self.vhosts.get(name)
        if vhost is None:
            raise NotFound(f"no vhost '{name}'")
        if name == "/":
            raise PreconditionFailed("vhost '/' is always there: clients that name none are in it")
        if vhost.is_fixed:
            raise PreconditionFailed(f"vhost '{name}' comes from the configuration file; remove it there")
        if vhost.metadata.protected:
            raise PreconditionFailed(f"vhost '{name}' is protected from deletion")
        vhost.retire()
        self.events.tell(VHOST_DELETED, vhost=name)
        return self._delete(vhost)

    def _delete(self, vhost: VirtualHost) -> Deletion:
        name = vhost.name
        del self.vhosts[name]
        vhost.router.changed()
        deletion = Deletion(vhost, self.clients, self.parameters, self._bid_farewell)
        self._deletions[name] = deletion
        deletion.when_done(partial(self._deletions.pop, name, None))
        deletion.start()
        return deletion

    def _bid_farewell(self, name: str, go: Callable[[], None]) -> None:
        self._last_words(name, go)

    def when_vhost_is_empty(self, last_words: Callable[[str, Callable[[], None]], None]) -> None:
        """Before the name of a deleted virtual host is free, call ``last_words`` with it, and with what it calls back.

        For a host that keeps something under the names of virtual hosts: the rights of users.
        """
        self._last_words = last_words

    def rights_changed(self) -> None:
        """The rights of users have changed: the routes that sessions have cached are invalid."""
        self.events.tell(USERS_CHANGED)
        self._routes_changed()

    def _routes_changed(self) -> None:
        """Have every publish looked at anew: whether the store takes messages is part of where they may go."""
        for vhost in self.vhosts.values():
            vhost.router.changed()

    # ------------------------------------------------------------------ the turn

    @property
    def is_touched(self) -> bool:
        """Is there anything to dispatch?"""
        return self.scheduler.is_touched

    def dispatch_touched(self) -> None:
        """Dispatch whatever can be dispatched now."""
        self.scheduler.dispatch()

    def end_turn(self) -> None:
        """End a turn. The host calls this once per turn of its loop."""
        self.scheduler.end_turn()

    @property
    def is_patient(self) -> bool:
        """Does everybody wait for a commit only because of messages, which need not be written if they are settled?"""
        return self.commits.is_patient

    def finish_returns(self) -> None:
        """Put all returned messages back in their queues now, before the host's last turn."""
        self.scheduler.finish_returns()

    @property
    def wants_turn(self) -> bool:
        """Is there work left for another turn? For hosts that do not wait to be called."""
        return self.scheduler.wants_turn

    def on_work(self) -> None:
        """Have the host end a turn soon."""
        self.scheduler.wake()

    @property
    def is_serving(self) -> bool:
        """True if messages are dispatched and fall due here; False if another process does that."""
        return self.scheduler.is_serving

    def serve(self, is_serving: bool = True) -> None:
        """Start, or stop, dispatching messages and letting them fall due."""
        self.scheduler.serve(is_serving)

    # ------------------------------------------------------------------ the store

    def check_writable(self) -> None:
        """Raises StoreError if the last commit failed: what is changed now cannot be kept, for the time being."""
        if self._commit_error is not None:
            raise self._commit_error

    def when_read(self, callback: Callable[[], None]) -> None:
        """Call back once the store has been read further."""
        self.scheduler.call(callback)

    def commit_done(self, error: StoreError | None) -> None:
        """The store's commit returned. The host then ends the turn, and stages the next batch if there is one."""
        scheduler = self.scheduler
        was_failing = self.store.error is not None
        self._commit_error = error
        lost = self.store.finish(error)
        batch = self.store.staged
        for queued in lost:
            scheduler.faults.attempt(queued.settlement.lost, queued)
        if error is None:
            if was_failing and self.store.error is None:
                log.warning("the store can write again")
                self.events.tell(ALARM_CLEARED, alarm="store")
                self._routes_changed()
                for observer in list(self._observers):
                    scheduler.faults.attempt(observer.store_recovered)
            scheduler.commits.committed(batch)
            if self.store.is_unsynced:
                self._late_sync.committed()
            if self.store.is_sparse:
                self._vacuum.committed()
        else:
            if not was_failing:
                log.error("%s; publishes of persistent messages are refused until it can", error)
                self.events.tell(ALARM_RAISED, alarm="store", reason=error.reason)
                self._routes_changed()
                for observer in list(self._observers):
                    scheduler.faults.attempt(observer.store_failing, error)
            scheduler.commits.failed(batch, error)
        if scheduler.has_reads:
            scheduler.read_on()
        scheduler.commits.look()

    def observe_store(self, observer: StoreObserver) -> None:
        """Tell it, from now on, when the store stops taking messages and when it takes them again."""
        self._observers[observer] = None

    def stop_observing(self, observer: StoreObserver) -> None:
        """Tell it no more."""
        self._observers.pop(observer, None)

    # ------------------------------------------------------------------ timers and the end

    def run_timers(self) -> None:
        """Run the timers that are due."""
        self.scheduler.run_timers()

    def close(self) -> None:
        """Commit what is left, record what waits where, and close the store. All sessions must be closed before."""
        self.scheduler.dispatch()
        waiting: dict[int, tuple[int, int]] = {}
        for vhost in self.vhosts.values():
            for queue in vhost.queues.values():
                if queue.survives_restart and not queue.spilled:
                    for part in (*queue.lanes, *((queue.delays,) if queue.delays is not None else ())):
                        if (found := part.survivors()) is not None:
                            waiting[part.lane_id] = found
        # It would keep all of this alive.
        self.store.on_settled(None)
        try:
            self.store.close(waiting)
        finally:
            for vhost in self.vhosts.values():
                vhost.progress.clear()
                for queue in vhost.queues.values():
                    queue.close()


__all__ = ["Broker", "BrokerError", "CommitWaiter"]
