"""A session and the store: what it says, takes in and confirms may have to wait for a commit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.vhosts.broker import Broker
    from batonmq.errors import StoreError


class Gated(Protocol):
    """A protocol's session, as its gate sees it."""

    suspended: bool
    """Takes nothing in."""
    finished: bool
    """Nothing more is said; the connection ends."""
    unsent: int
    """Octets of deliveries in its output; it takes no more when they are ``unsent_max``."""
    unsent_max: int

    @property
    def is_over(self) -> bool:
        """Nothing more is said."""
        ...

    def wake(self) -> None:
        """There is something to send."""
        ...

    def go_on(self) -> None:
        """Take up what waited while it was suspended."""
        ...

    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""
        ...

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """Those up to this number that were not committed before are not kept."""
        ...

    def come_apart(self) -> None:
        """The connection is gone and nothing is waited for: let go of all parts that know this session.

        So that it is free at once: a broker has its collector of circles look at what is old very seldom.
        """
        ...


class Nobody:
    """In the place of a session that has ended, for what may still be said of it."""

    suspended = False
    finished = True
    unsent = 0
    unsent_max = 0
    is_over = True

    def wake(self) -> None:
        """Nobody is there."""

    def go_on(self) -> None:
        """Nothing waits."""

    def batch_committed(self, batch: int) -> None:
        """Nobody is told."""

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """Nobody is told."""

    def come_apart(self) -> None:
        """There is nothing to it."""


class CommitGate:
    """One for each session; a ``CommitWaiter`` of the broker."""

    __slots__ = ("_after_commit", "_awaits_commit", "_broker", "_held_for", "_is_leaving", "_reads", "_session")

    def __init__(self, broker: Broker, session: Gated) -> None:
        self._broker = broker
        self._session = session
        # The connection is gone; and how many wait for the store to be read on.
        self._is_leaving = False
        self._reads = 0
        # The batch that must be committed before any output goes; 0: none.
        self._held_for = 0
        self._awaits_commit = False
        # What is done when the batch of that number is committed, and when it is not kept.
        self._after_commit: list[tuple[int, Callable[[], None], Callable[[str], None]]] = []

    @property
    def is_held(self) -> bool:
        """Does the output wait until the store has noted what is being delivered in it?"""
        return self._held_for > 0

    def hold(self, batch: int) -> None:
        """Let no output go before that batch is committed."""
        if 0 < self._held_for < batch:
            # Each delivery that joins in would put off all of them by a commit: no more of them until these are gone.
            self._session.unsent = max(self._session.unsent, self._session.unsent_max)
        self._held_for = batch
        self._broker.await_commit(self, sync=False)

    def await_commit(self) -> None:
        """Have the session told of the next commit."""
        if not self._awaits_commit:
            self._awaits_commit = True
            self._broker.await_commit(self)

    def wait_for_commit(self, done: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Suspend the session until what was collected so far is on the disk, or cannot be kept.

        ``failed`` is called in any case then, since there may be something to undo; ``done`` only while the session
        is not over.
        """
        self._after_commit.append((self._broker.store.batch, done, failed))
        self._session.suspended = True
        self._broker.store.must_reach_disk()
        self.await_commit()
        self._session.wake()

    def wait_for_read(self, again: Callable[[], None]) -> None:
        """Suspend the session until the store has been read on."""
        self._session.suspended = True
        self._reads += 1
        self._broker.when_read(partial(self._resume, again))

    def _resume(self, again: Callable[[], None]) -> None:
        self._reads -= 1
        try:
            self._session.suspended = False
            if not self._session.is_over:
                again()
            self._session.go_on()
        finally:
            self._part()

    def leave(self) -> None:
        """The connection is gone: part with the session, as soon as there is nothing left that it waits for."""
        self._is_leaving = True
        self._part()

    def _part(self) -> None:
        if self._is_leaving and not (self._awaits_commit or self._held_for or self._after_commit or self._reads):
            session, self._session = self._session, Nobody()
            session.come_apart()

    def broken(self) -> None:
        """A fault of ours struck while the session was told something: its client gets no false picture, but an end."""
        self._held_for = 0
        self._session.suspended = False
        self._session.finished = True
        self._session.wake()
        self._part()

    # ------------------------------------------------------------------ what the broker tells

    def batch_committed(self, batch: int) -> None:
        """See ``CommitWaiter``."""
        self._awaits_commit = False
        try:
            self._let_go(batch)
            self._session.batch_committed(batch)
            self._run_after_commit(batch, None)
        finally:
            self._part()

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """See ``CommitWaiter``."""
        self._awaits_commit = False
        try:
            # A store that fails does not keep consumers from being served.
            self._let_go(batch)
            self._session.batch_failed(batch, error)
            self._run_after_commit(batch, error)
        finally:
            self._part()

    def _let_go(self, batch: int) -> None:
        if self._held_for > batch:
            self._broker.await_commit(self, sync=False)
        elif self._held_for:
            self._held_for = 0
            self._session.wake()

    def _run_after_commit(self, batch: int, error: StoreError | None) -> None:
        waiting, self._after_commit = self._after_commit, []
        for needed, done, failed in waiting:
            if needed > batch:
                self._after_commit.append((needed, done, failed))
            elif error is not None:
                failed(error.reason)
            elif not self._session.is_over:
                done()
        if self._after_commit:
            self.await_commit()
        elif waiting:
            self._session.suspended = False
            self._session.go_on()
