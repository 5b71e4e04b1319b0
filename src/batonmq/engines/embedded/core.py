"""A broker without an event loop: any thread drives it, under one lock.

The calling thread does the work: the operation, the dispatch and the commit. A hop to another thread and back costs
more than all of that together (60 us against 25 us beside the disk's own time). While one thread waits for the disk the
lock is free; the work of others becomes the next batch, which one of them commits for all.

    lock: operation, hand-over, stage ... commit (no lock) ... lock: tell who waits

A keeper thread does the work that nobody waits for: settlements, timers, retries when the disk has failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from batonmq.broker import Broker
from batonmq.broker.model.scheduler import Scheduler
from batonmq.clock import Clock
from batonmq.engines.embedded.turns import TurnLock
from batonmq.engines.forks import FORKED, end_watch, watch_for_fork
from batonmq.engines.futures import Future
from batonmq.errors import BatonError, Closed, StoreError
from batonmq.points import reached
from batonmq.store import Store
from batonmq.store.committing import commit_staged

__all__ = ["Core"]

log = logging.getLogger("batonmq.embedded")

P = ParamSpec("P")
T = TypeVar("T")

# Seconds until a settlement that shared no commit gets one of its own.
LAZY_SECONDS = 0.01
# How long to wait after a failed write, in seconds.
RETRY_SECONDS = 1.0
# How often an idle program checks that its file still exists, in seconds.
LOOK_SECONDS = 1.0


class CommitFuture(Future[T]):
    """Waits for a batch; the waiting thread commits it, unless another one is doing so."""

    __slots__ = ("_core", "_outcome", "batch")

    def __init__(self, core: Core, batch: int, outcome: T) -> None:
        super().__init__()
        self._core = core
        self._outcome = outcome
        self.batch = batch

    def committed(self) -> None:
        """The batch is on the disk."""
        self.resolve(self._outcome)

    def wait(self, timeout: float | None = None) -> bool:
        if not self.done:
            self._core.commit_for(self)
        return True

    def wait_async(self, timeout: float | None = None) -> Coroutine[Any, Any, bool]:
        if not self.done:
            self._core.commit_soon()
        return super().wait_async(timeout)


class Core:
    """One broker, one lock, one keeper thread. Any thread may call."""

    def __init__(self, store: Store, clock: Clock | None = None, *, serves: bool = True) -> None:
        """Without ``serves`` the broker does nothing on its own until it is told to.

        Raises StoreError, StoreCorrupt.
        """
        self.store = store
        self.clock = clock or Clock()
        self.broker = Broker(store, self.clock)
        # Turns end where all of it is compiled.
        self._scheduler: Scheduler = self.broker.scheduler
        self.broker.serve(serves)
        self.broker.attach(lambda: None, self._timers_changed)
        self._lock = TurnLock()
        self._committed = threading.Condition(self._lock)  # type: ignore[arg-type]
        self._keeper_wake = threading.Condition(self._lock)  # type: ignore[arg-type]
        self._is_committing = False
        # How many threads wait for a commit that another one makes.
        self._awaiting = 0
        self._waiting: list[CommitFuture[Any]] = []
        # Calls for the end of the turn: subscriptions that have received something.
        self._arrivals: list[Callable[[], None]] = []
        # When to commit work that nobody waits for; None: there is none.
        self._lazy_at: float | None = None
        self._is_urgent = False
        self._keeper_sleeps = False
        self._napped = False
        self._closed = False
        self._why_closed = "the engine was closed"
        self._keeper = threading.Thread(target=self._keep, name="batonmq-keeper", daemon=True)
        watch_for_fork(self)
        self._keeper.start()

    # ------------------------------------------------------------------ turns

    def __enter__(self) -> None:
        """Begin a turn, in which to work on the broker: ``with core:`` is what ``run`` does. Raises Closed."""
        lock = self._lock
        lock.__enter__()
        if self._closed:
            lock.__exit__(None, None, None)
            raise Closed(self._why_closed)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it: dispatch ready messages."""
        try:
            self._end_turn()
        finally:
            self._lock.__exit__(None, None, None)

    def run(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an operation on the broker, then dispatch ready messages. Raises Closed, and the operation's errors."""
        with self:
            return operation(*args, **kwargs)

    def run_reading(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an operation on the broker when the store can be read. Raises Closed, and the operation's errors."""
        with self._lock:
            while self._is_committing:
                self._await_commit()
            if self._closed:
                raise Closed(self._why_closed)
            try:
                return operation(*args, **kwargs)
            finally:
                self._end_turn()

    def at_turn_end(self, call: Callable[[], None]) -> None:
        """Call ``call`` once when the turn ends. To be used inside an operation."""
        self._arrivals.append(call)

    def _end_turn(self) -> None:
        scheduler = self._scheduler
        scheduler.end_turn()
        while self._arrivals:
            arrivals, self._arrivals = self._arrivals, []
            for arrived in arrivals:
                scheduler.faults.attempt(arrived)
            scheduler.end_turn()
        if self._lazy_at is None and (self.store.has_work() or scheduler.wants_turn):
            self._lazy_at = time.monotonic() + LAZY_SECONDS
            if self._keeper_sleeps:
                self._keeper_wake.notify()

    # ------------------------------------------------------------------ commits

    def future(self, outcome: T, *, sync: bool = True) -> CommitFuture[T]:
        """A future for the batch being collected.

        To be used inside an operation. Without ``sync`` the batch need only survive the end of the process.
        """
        future = CommitFuture(self, self.store.batch, outcome)
        if sync:
            self.store.must_reach_disk()
        self._waiting.append(future)
        return future

    def commit_for(self, future: CommitFuture[Any]) -> None:
        """Return when the future is done."""
        with self._lock:
            while not future.done:
                if self._is_committing:
                    self._await_commit()
                else:
                    self._commit()

    def commit_soon(self) -> None:
        """Have the keeper commit: somebody waits, but not in a thread."""
        with self._lock:
            self._is_urgent = True
            self._keeper_wake.notify()

    def flush(self) -> None:
        """Return when everything done so far is on the disk. Raises StoreError."""
        with self._lock:
            future = self.future(None)
        future.get()

    def _commit(self) -> None:
        """Called with the lock held; it is released while waiting for the disk."""
        self._is_urgent = False
        self._lazy_at = None
        if not self.store.has_work():
            # Everything was settled before it was written.
            self._answer(self.store.batch, None)
            if self._scheduler.wants_turn:
                self._end_turn()
            return
        self._is_committing = True
        self.store.stage()
        # The thread that reads the store once it is free begins another commit.
        batch = self.store.batch - 1
        self._lock.release()
        error: StoreError | None = None
        has_returned = False
        try:
            error = commit_staged(self.store)
            has_returned = True
        finally:
            if not has_returned:
                error = StoreError("the commit was interrupted")
            self._lock.acquire()
            self._is_committing = False
            # First, whatever happens next; they go on when the lock is free.
            if self._awaiting:
                self._committed.notify_all()
            self.broker.commit_done(error)
            self._answer(batch, error)
            reached("commit.told")
            self._end_turn()
            if error is not None or self.store.error is not None:
                self._lazy_at = time.monotonic() + RETRY_SECONDS

    def _await_commit(self) -> None:
        """Wait until a commit that another thread makes is done. With the lock held, which is released meanwhile."""
        self._awaiting += 1
        try:
            self._committed.wait()
        finally:
            self._awaiting -= 1

    def _answer(self, batch: int, error: StoreError | None) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if future.batch > batch:
                self._waiting.append(future)
            elif error is None:
                future.committed()
            else:
                future.fail(StoreError(str(error)))

    # ------------------------------------------------------------------ the keeper

    def _timers_changed(self) -> None:
        self._keeper_wake.notify()

    def run_due(self) -> None:
        """Do what is due now, after the clock was moved."""
        self.run(self._run_due)

    def _run_due(self) -> None:
        while (due := self.broker.timetable.next_due()) is not None and due <= self.clock.monotonic():
            self.broker.run_timers()
            self._scheduler.end_turn()

    def _next_due(self) -> float | None:
        return self.broker.timetable.next_due() if self.broker.is_serving else None

    def _keep(self) -> None:
        with self._lock:
            while not self._closed:
                try:
                    self._keep_once()
                except Exception:  # a bug of ours must not end all timers
                    log.exception("a timer of the broker failed")
                    self._keeper_wake.wait(RETRY_SECONDS)

    def _keep_once(self) -> None:
        now = time.monotonic()
        if self._is_committing and self._is_urgent:
            self._await_commit()
        elif not self._is_committing and (self._is_urgent or (self._lazy_at is not None and self._lazy_at <= now)):
            self._commit()
        elif (due := self._next_due()) is not None and due <= self.clock.monotonic():
            self.broker.run_timers()
            self._end_turn()
        else:
            self._sleep(now, due)

    def _sleep(self, now: float, due: float | None) -> None:
        most = LOOK_SECONDS if due is None else min(LOOK_SECONDS, max(0.0005, due - self.clock.monotonic()))
        if self._lazy_at is not None:
            self._napped = False
            lazy = self._lazy_at - now if not self._is_committing else LAZY_SECONDS
            self._keeper_wake.wait(max(0.0005, min(most, lazy)))
        elif not self._napped:
            # A busy program has work for the keeper every millisecond, and waking it costs 20 us.
            self._napped = True
            self._keeper_wake.wait(min(LAZY_SECONDS, most))
        else:
            # A thread with work for it wakes it, however far off the next timer is.
            self._keeper_sleeps = True
            was_woken = self._keeper_wake.wait(most)
            self._keeper_sleeps = False
            if was_woken:
                self._napped = False
            elif not self._is_committing and self.store.look():
                # A failing commit reports it, however idle the program is.
                self._lazy_at = time.monotonic()

    # ------------------------------------------------------------------ the end

    def forked(self) -> None:
        """In a forked child everything is the parent's. The store is left alone, since closing it would write."""
        self._lock.forked()
        self._lock = TurnLock()
        self._closed = True
        self.store.forked()
        self._why_closed = FORKED

    def close(self) -> None:
        """Commit what is left, and close the store. Raises StoreError if that fails; it is closed all the same."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            while self._is_committing:
                self._await_commit()
            self._end_turn()
            if self._waiting:
                self._commit()
            self._keeper_wake.notify()
        self._keeper.join()
        end_watch(self)
        try:
            self.broker.close()
        except BatonError:
            raise
        except Exception as error:
            raise StoreError(f"the store could not be closed in order: {error}") from error
