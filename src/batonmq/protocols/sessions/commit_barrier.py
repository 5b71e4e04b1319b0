"""The barrier between a session and the store: input, output and confirms may have to wait for a commit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import Broker
    from batonmq.errors import StoreError
    from batonmq.protocols.sessions.output import Output


class Suspended(Protocol):
    """The part of a session that takes nothing in while the session waits for the store."""

    def suspend(self) -> None:
        """Take nothing in."""

    def resume(self) -> None:
        """Something may be taken in again."""

    def go_on(self) -> None:
        """Take up what waited meanwhile."""


class Told(Protocol):
    """A protocol's publishers and consumers, as the barrier sees them."""

    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept."""


class Ending(Protocol):
    """The connection of a protocol, as the barrier sees it."""

    def come_apart(self) -> None:
        """The connection is gone and nothing is waited for: let go of all parts that know each other.

        They are free at once then: a broker has its collector of circles look at old objects very seldom.
        """


class Nobody:
    """Stands in for a session that has not begun, or has ended."""

    def batch_committed(self, batch: int) -> None:
        """Nobody is told."""

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """Nobody is told."""

    def come_apart(self) -> None:
        """There is nothing to let go of."""


class CommitBarrier:
    """Holds up one session, and tells it what the store has done; a ``CommitWaiter`` of the broker."""

    __slots__ = (
        "_after_commit",
        "_awaits_commit",
        "_broker",
        "_commits",
        "_connection",
        "_intake",
        "_is_leaving",
        "_output",
        "_reads",
        "_traffic",
        "held_for",
    )

    def __init__(self, broker: Broker, output: Output, intake: Suspended) -> None:
        self._broker = broker
        self._commits = broker.commits
        self._output = output
        self._intake = intake
        self._traffic: Told = Nobody()
        self._connection: Ending = Nobody()
        # Is the connection gone? And how many calls wait for the store to be read on?
        self._is_leaving = False
        self._reads = 0
        self.held_for = 0
        """The batch of the store that must be committed before any output goes; 0: none."""
        self._awaits_commit = False
        # For the batch of that number: what is called when it is committed, and when it is not kept.
        self._after_commit: list[tuple[int, Callable[[], None], Callable[[str], None]]] = []

    def listen(self, traffic: Told, connection: Ending) -> None:
        """Tell these of commits, and of the end, until `leave`."""
        self._traffic = traffic
        self._connection = connection

    def hold(self, batch: int) -> None:
        """Let no output go before that batch is committed."""
        if 0 < self.held_for < batch:
            # Each further delivery would delay all of them by a commit: there are no more until these are sent.
            self._output.fill()
        self.held_for = batch
        self._commits.wait(self, sync=False)

    def await_commit(self) -> None:
        """Have the session told of the next commit."""
        if not self._awaits_commit:
            self._awaits_commit = True
            self._commits.wait(self)

    def wait_for_commit(self, done: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Suspend the session until what was collected so far is on the disk, or cannot be kept.

        ``failed`` is called with the reason in any case then, since there may be something to undo; ``done`` only while
        there is somebody to tell.
        """
        self._after_commit.append((self._broker.store.batch, done, failed))
        self._intake.suspend()
        self._awaits_commit = True
        self._commits.wait(self)
        self._output.wake()

    def wait_for_change(self, before: int, done: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Wait for a commit if anything that must outlive the broker was changed; otherwise it is done now.

        ``before`` is what `changes` was before the change.
        """
        if self.changes == before:
            done()
        else:
            self.wait_for_commit(done, failed)

    @property
    def changes(self) -> int:
        """A number that goes up with each change of what must survive a restart. Messages do not count."""
        return self._broker.store.changes

    def wait_for_read(self, again: Callable[[], None]) -> None:
        """Suspend the session until the store has been read on."""
        self._intake.suspend()
        self._reads += 1
        self._broker.when_read(partial(self._resume, again))

    def _resume(self, again: Callable[[], None]) -> None:
        self._reads -= 1
        try:
            self._intake.resume()
            if not self._output.finished:
                again()
            self._intake.go_on()
        finally:
            self._part()

    def leave(self) -> None:
        """The connection is gone: let go of the session as soon as it waits for nothing any more."""
        self._is_leaving = True
        self._part()

    def _part(self) -> None:
        """Once the connection is gone: let go of the session if nothing is left to wait for."""
        if self._is_leaving and not (self._awaits_commit or self.held_for or self._after_commit or self._reads):
            connection, self._connection = self._connection, Nobody()
            self._traffic = Nobody()
            connection.come_apart()

    def broken(self) -> None:
        """End the connection after a fault of the broker's own, so that its client is told nothing wrong."""
        self.held_for = 0
        self._intake.resume()
        self._output.finish()
        self._part()

    # ------------------------------------------------------------------ what the broker tells

    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""
        self._awaits_commit = False
        try:
            if self.held_for:
                self._let_go(batch)
            self._traffic.batch_committed(batch)
            if self._after_commit:
                self._run_after_commit(batch, None)
        finally:
            if self._is_leaving:
                self._part()

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept."""
        self._awaits_commit = False
        try:
            # A store that fails does not keep consumers from being served.
            if self.held_for:
                self._let_go(batch)
            self._traffic.batch_failed(batch, error)
            if self._after_commit:
                self._run_after_commit(batch, error)
        finally:
            if self._is_leaving:
                self._part()

    def _let_go(self, batch: int) -> None:
        if self.held_for > batch:
            self._commits.wait(self, sync=False)
        else:
            self.held_for = 0
            self._output.wake()

    def _run_after_commit(self, batch: int, error: StoreError | None) -> None:
        waiting, self._after_commit = self._after_commit, []
        for needed, done, failed in waiting:
            if needed > batch:
                self._after_commit.append((needed, done, failed))
            elif error is not None:
                failed(error.reason)
            elif not self._output.finished:
                done()
        if self._after_commit:
            self.await_commit()
        else:
            self._intake.resume()
            self._intake.go_on()
