"""The scheduler: the clock, the timers, the memory budget, and the list of work that is left to do.

A host (a server, an embedded engine) feeds operations in and calls ``run`` when its loop's turn ends. Queues with
messages to dispatch come first; then, while the store is free, the work requested with ``soon``, by priority:

    READ    read further messages from the store, for READ_SECONDS of a turn
    EXPIRE  expire messages that are only in the store, for as long
    CALL    call those that waited for the store, for as long
    WORK    messages fall due, deadlines pass, keys are forgotten: SHARE of them a turn, for all queues together

Whether the store is free or not:

    RETURN  messages that clients gave back go back to their places: RETURNS of them a turn, for all queues together
"""

from __future__ import annotations

import logging
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from batonmq.broker.model.commits import Commits
from batonmq.broker.model.events import Events
from batonmq.broker.model.faults import Faults
from batonmq.broker.model.memory import Memory
from batonmq.broker.model.timetable import Timetable
from batonmq.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.model.scheduled import Scheduled
    from batonmq.clock import Clock
    from batonmq.store.interface import Store

log = logging.getLogger("batonmq.broker")

READ: Final = 0
EXPIRE: Final = 1
CALL: Final = 2
WORK: Final = 3
RETURN: Final = 4

# The seconds of a turn for reading messages from the store: at a start thousands of queues may need it.
READ_SECONDS: Final = 0.005
# The amount of piecemeal work in a turn: this many due messages take 3 ms, including the store.
SHARE: Final = 256
# The number of returned messages in a turn: each takes 1.3 us.
RETURNS: Final = 2_000
# Work that the store refused is tried again after this many seconds.
RETRY_SECONDS: Final = 1.0
# The result of a job that can do nothing before the next commit.
NOT_NOW: Final = -1


class Scheduler:
    """The scheduler of a broker. It knows queues only as ``Scheduled``."""

    __slots__ = (
        "_host",
        "_jobs",
        "_touched",
        "chained",
        "clock",
        "commits",
        "events",
        "faults",
        "is_serving",
        "memory",
        "store",
        "timetable",
    )

    def __init__(self, store: Store, clock: Clock, memory_limit: int) -> None:
        """``memory_limit``: bytes of messages that may be held in memory, for all queues together."""
        self.store = store
        self.clock = clock
        self.timetable = Timetable(clock)
        self.faults = Faults(self.timetable, clock)
        self.commits = Commits(store, self.faults, self.wake)
        self.events = Events(clock)
        """The broker's events."""
        self.memory = Memory(memory_limit)
        self.is_serving = True
        """False: nothing is delivered and nothing falls due, as another process has the queues."""
        self.chained = 0
        """The length of the current chain of dead letters, each caused by the one before it."""
        self._host: Callable[[], None] = lambda: None
        self._touched: list[Scheduled] = []
        # By priority; each job once, oldest first.
        self._jobs: list[dict[Callable[..., object], None]] = [{}, {}, {}, {}, {}]

    def begin_chained(self) -> None:
        """Note the start of nested work, which ``chained`` counts."""
        self.chained += 1

    def end_chained(self) -> None:
        """Note the end of nested work."""
        self.chained -= 1

    def attach(self, host: Callable[[], None], on_timer: Callable[[], None] | None = None) -> None:
        """``host`` is called when a turn is wanted soon, ``on_timer`` when the next timer's time has changed."""
        self._host = host
        self.timetable.on_change(on_timer)

    def serve(self, is_serving: bool = True) -> None:
        """Start or stop delivering messages and letting them fall due."""
        if not is_serving:
            self.finish_returns()
        self.is_serving = is_serving

    def now(self) -> int:
        """The time in milliseconds since the epoch."""
        return int(self.clock.time() * 1000)

    # ------------------------------------------------------------------ asking for work

    def wake(self) -> None:
        """Have the host end a turn soon."""
        self._host()

    def touched(self, queue: Scheduled) -> None:
        """Dispatch the queue at the end of the turn. Call this only once until then."""
        if not self._touched:
            self._host()
        self._touched.append(queue)

    def soon(self, priority: int, job: Callable[..., object], *, is_possible: bool | None = None) -> None:
        """Put a job on the list of work; a job that is on it already keeps its place.

        ``READ`` and ``EXPIRE`` call it without arguments; it may answer NOT_NOW. ``WORK`` and ``RETURN`` call it with
        the most that it may do, and it returns how much it did. ``CALL`` just calls it. After a StoreError it is tried
        again. ``is_possible``: can it be done now? None: if the store is free.
        """
        self._jobs[priority][job] = None
        if is_possible is None:
            is_possible = not self.store.busy
        if is_possible:
            self._host()

    def call(self, callback: Callable[[], None]) -> None:
        """Call back once the store has been read on."""
        self._jobs[CALL][callback] = None
        self._host()

    # ------------------------------------------------------------------ doing it

    @property
    def is_touched(self) -> bool:
        """Is there something to dispatch?"""
        return bool(self._touched)

    @property
    def wants_turn(self) -> bool:
        """Is there work for another turn? For hosts that poll instead of being called."""
        return bool(self._touched or (self._jobs[WORK] and self.is_serving) or self._jobs[RETURN] or self.has_reads)

    @property
    def has_reads(self) -> bool:
        """Does anything wait for the store to be read?"""
        jobs = self._jobs
        return bool(((jobs[READ] or jobs[EXPIRE]) and self.is_serving) or jobs[CALL])

    def dispatch(self) -> None:
        """Deliver the messages that can be delivered now."""
        while self._touched and self.is_serving:
            touched, self._touched = self._touched, []
            for queue in touched:
                if not queue.deleted:
                    self.faults.attempt(queue.dispatch)

    def end_turn(self) -> None:
        """End a turn: do its work, and tell who waits for a commit of nothing. If it serves."""
        if self.is_serving:
            self.run()
            if not self.store.busy:
                self.commits.look()

    def run(self) -> None:
        """Do the work of a turn."""
        if self._touched:
            self.dispatch()
        reads, expiries, calls, _, returns = self._jobs
        if returns:
            self._share(RETURN, RETURNS)
        if not self.store.busy:
            if reads or expiries or calls:
                self.read_on()
            if self._jobs[WORK] and self.store.error is None and self.is_serving:
                self._share(WORK, SHARE)
        elif reads:
            # Committed messages can be read while the store commits.
            self._run_timed(READ)
            self.dispatch()

    def read_on(self) -> None:
        """Do the work that has waited for the store. Only while the store is free.

        Before it serves, and after it has stopped serving, it only does work that somebody waits for: no message leaves
        by itself.
        """
        callbacks, self._jobs[CALL] = self._jobs[CALL], {}
        if self.is_serving:
            # Not before the holders of messages under the last owner have claimed them.
            self._run_timed(READ)
            self._run_timed(EXPIRE)
        self._call_back(callbacks)
        self.dispatch()

    def _call_back(self, callbacks: dict[Callable[..., object], None]) -> None:
        """Call for as long as a turn may take, one at least; those that are left come first in the next turn.

        Each may be a browser that searches a long queue for a few messages.
        """
        end = self.clock.monotonic() + READ_SECONDS
        called = 0
        for callback in callbacks:
            self.faults.attempt(callback)
            called += 1
            if self.clock.monotonic() >= end:
                break
        waiting = dict.fromkeys(islice(callbacks, called, None))
        if waiting:
            self._jobs[CALL] = {**waiting, **self._jobs[CALL]}
            self._host()

    def _run_timed(self, priority: int) -> None:
        """Do jobs for as long as a turn may take; the jobs that are left come first in the next turn."""
        jobs, self._jobs[priority] = self._jobs[priority], {}
        end = self.clock.monotonic() + READ_SECONDS
        waiting: dict[Callable[..., object], None] = {}
        for job in jobs:
            if self.clock.monotonic() >= end:
                waiting[job] = None
            elif self._do(priority, job) == NOT_NOW:
                self._jobs[priority][job] = None
        if waiting:
            self._jobs[priority] = {**waiting, **self._jobs[priority]}
            self._host()

    def finish_returns(self) -> None:
        """Do all RETURN work now, as no turn will follow."""
        while self._jobs[RETURN]:
            self._share(RETURN, RETURNS)

    def _share(self, priority: int, left: int) -> None:
        """Do this much work of one priority. Jobs that got no share come first in the next turn."""
        jobs, self._jobs[priority] = self._jobs[priority], {}
        waiting: dict[Callable[..., object], None] = {}
        for job in jobs:
            if left > 0:
                left -= self._do(priority, job, left)
            else:
                waiting[job] = None
        self._jobs[priority] = {**waiting, **self._jobs[priority]}
        self.dispatch()
        if self._jobs[priority]:
            self._host()

    def _do(self, priority: int, job: Callable[..., object], *arguments: int) -> int:
        done = self.faults.insist(partial(self.soon, priority, job), self._attempt, priority, job, arguments)
        return done if isinstance(done, int) else 0

    def _attempt(self, priority: int, job: Callable[..., object], arguments: tuple[int, ...]) -> object:
        try:
            return job(*arguments)
        except StoreError as error:
            log.error("%s; it is tried again in a second", error)
            self.timetable.after(RETRY_SECONDS, partial(self.soon, priority, job))
            return 0

    # ------------------------------------------------------------------ timers

    def run_timers(self) -> None:
        """Run the timers that are due."""
        for callback in self.timetable.due():
            self.faults.insist(callback, callback)
