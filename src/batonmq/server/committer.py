"""Commits: one batch at a time, in a thread of its own, while the loop collects the next.

    loop:    stage() -> queue ......................... commit_done(error) -> next stage()
    thread:             commit() (the disk) -> call back

SQLite holds no lock of the interpreter while it waits for the disk, so the loop goes on meanwhile.

Where one connection sends and one receives, there is nothing to go on with, and waking a thread and being woken by it
takes longer than a fast disk. So the loop itself commits what is brief, while nobody else is at work and the disk has
been fast. The first commit that is slow ends this for a second: whoever comes meanwhile waits for that one.

Where consumers hold all that is to be written, or what is before it in its queue, and usually settle it sooner than the
disk would have it, the commit is put off for a moment (``Patience``): then there is nothing left to write.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from time import perf_counter

from batonmq.errors import StoreError
from batonmq.points import reached
from batonmq.protocols.sessions.unconfirmed import RUN_MOST
from batonmq.server.disk_pace import DiskPace
from batonmq.server.interface import Broker, Store
from batonmq.server.patience import Patience
from batonmq.server.scheduling import wait_little
from batonmq.server.vitals import Vitals
from batonmq.store.committing import commit_staged
from batonmq.store.interface import COARSE

__all__ = ["RETRY_SECONDS", "Committer"]

logger = logging.getLogger(__name__)

# How long to wait after a failed write, in seconds.
RETRY_SECONDS = 1.0

# A timer of the loop takes this long at least, in seconds; one that is to be shorter would run at once.
TICK = 0.001


class Committer:
    """Drives a store's commits. Everything but the commit itself runs on the loop."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        loop: asyncio.AbstractEventLoop,
        on_commit: Callable[[], None],
        vitals: Vitals | None = None,
    ) -> None:
        """`on_commit` is called on the loop after each commit, successful or not, when the broker has been told."""
        self._store = store
        self._broker = broker
        self._loop = loop
        self._on_commit = on_commit
        self._vitals = vitals or Vitals()
        # When the current commit began, and its octets of messages.
        self._began = 0.0
        self._octets = 0
        self._pace = DiskPace()
        self._patience = Patience()
        # How many batches were spared the disk when last looked.
        self._spared = 0
        # Might consumers settle the last messages soon? While they do not, small batches only cost.
        self._have_room = True
        # Ends a wait for consumers.
        self._timer: asyncio.TimerHandle | None = None
        self._is_brief = False
        # Is the loop committing? What comes up at the end of that is left to the thread, so that it ends.
        self._is_at_it = False
        self._requests: SimpleQueue[bool] = SimpleQueue()
        # What the thread has done and the loop was not told of: one result at most.
        self._results: deque[StoreError | None] = deque()
        self._worker = threading.Thread(target=self._run, name="batonmq-commits", daemon=True)
        self._is_committing = False
        self._retry: asyncio.TimerHandle | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self.error: StoreError | None = None
        """Why the last commit failed; None if it succeeded."""

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def kick(self, *, is_quiet: bool = False) -> None:
        """Start a commit if there is something to commit and no other is running.

        ``is_quiet``: nobody is held up if the loop waits for a fast disk. Then it may be over when this returns.
        """
        store = self._store
        if self._is_committing or self._retry is not None:
            return
        if store.spared != self._spared:
            self._spared = store.spared
            self._patience.settled(store.spared_after)
        if store.has_work() and not self._waits():
            self._begin(is_quiet=is_quiet)
        store.cut_at(RUN_MOST if self._have_room and self._patience.will_try else COARSE)

    def _waits(self) -> bool:
        """Put off the commit, if it pays to wait until consumers have settled what is to be written."""
        store = self._store
        since = store.waits_since()
        if since and self._left(since) <= 0:
            self._patience.in_vain()
            return False
        if not self._broker.is_patient or not store.may_wait():
            # What only deletes says nothing of consumers.
            self._have_room = self._have_room and not store.pending_bytes
            return False
        self._have_room = True
        if not since and not self._patience.is_willing():
            return False
        store.part()
        if self._timer is None:
            self._wait(self._left(since) if since else self._patience.limit)
        return True

    def _left(self, since: float) -> float:
        """How long a batch that was put off then may still wait, in seconds."""
        return self._patience.limit - (perf_counter() - since)

    def _wait(self, seconds: float) -> None:
        self._timer = self._loop.call_later(max(TICK, seconds), self._waited)

    def _waited(self) -> None:
        """Have what was not settled committed when the turn ends: nobody has got yet what it has brought."""
        self._timer = None
        store = self._store
        if self._is_committing or self._retry is not None:
            return
        since = store.waits_since()
        if since and (left := self._left(since)) > 0:
            # Another has come meanwhile.
            self._wait(left)
        elif store.has_work():
            # If none waits, a read of the store has written it out, and no turn has ended since.
            self._broker.on_work()

    def _begin(self, *, is_quiet: bool) -> None:
        """Start a commit. There is something to commit, and no other is running."""
        store = self._store
        self._is_committing = True
        self._began = perf_counter()
        self._octets = store.pending_bytes
        self._is_brief = store.is_brief()
        store.stage()
        if is_quiet and self._is_brief and not self._is_at_it and self._pace.is_fast(self._began):
            self._is_at_it = True
            try:
                self._done(commit_staged(store))
            finally:
                self._is_at_it = False
        else:
            self._requests.put(True)

    def _run(self) -> None:
        """The thread: one commit for each request, until it gets False."""
        wait_little()
        while self._requests.get():
            self._results.append(commit_staged(self._store))
            try:
                self._loop.call_soon_threadsafe(self.look)
            except RuntimeError:
                return  # the loop was closed without a stop

    def look(self) -> None:
        """Tell the broker of a commit that is over. Call this on the loop, before the loop itself comes to it."""
        if self._results:
            self._done(self._results.popleft())

    def _done(self, error: StoreError | None) -> None:
        self._is_committing = False
        self.error = error
        now = perf_counter()
        self._vitals.committed(now - self._began, self._octets)
        if error is None and self._octets:
            # One that only deletes is quicker than those that would be put off.
            self._patience.note(now - self._began)
        if self._is_brief and error is None:
            self._pace.note(self._store.commit_seconds, now)
        try:
            self._broker.commit_done(error)
        except Exception:
            logger.exception("following up on a commit failed")
        reached("commit.told")
        if error is not None or self._store.error is not None:
            self._retry = self._loop.call_later(RETRY_SECONDS, self._try_again)
        self._on_commit()
        self.kick()
        if self._waiting and not self._is_committing:
            for waiter in self._waiting:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiting.clear()

    def _try_again(self) -> None:
        self._retry = None
        self.kick()

    def drain(self) -> asyncio.Future[None]:
        """Done when everything is committed, or when a commit has failed: see `error`."""
        if self._retry is not None:
            self._retry.cancel()
            self._try_again()
        elif not self._is_committing and self._store.has_work():
            self._begin(is_quiet=False)
        waiter: asyncio.Future[None] = self._loop.create_future()
        if self._is_committing:
            self._waiting.append(waiter)
        else:
            waiter.set_result(None)
        return waiter

    def stop(self) -> None:
        """End the thread after its current commit."""
        for timer in (self._retry, self._timer):
            if timer is not None:
                timer.cancel()
        self._retry = self._timer = None
        self._requests.put(False)
        if self._worker.is_alive():
            self._worker.join()
