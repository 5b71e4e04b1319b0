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
    """The input of a session, which stops while the session waits for the store."""

    def suspend(self) -> None:
        """Stop taking input."""

    def resume(self) -> None:
        """Allow input again."""

    def go_on(self) -> None:
        """Handle the requests that waited meanwhile."""


class Told(Protocol):
    """A protocol's publishers and consumers, as the barrier sees them."""

    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept."""


class Ending(Protocol):
    """The connection of a protocol, as the barrier sees it."""

    def come_apart(self) -> None:
        """The connection is gone and nothing is awaited: drop all references between its parts.

        They are then freed at once: a broker's cycle collector seldom looks at old objects.
        """


class Nobody:
    """Stands in for a session that has not begun, or has ended."""

    def batch_committed(self, batch: int) -> None:
        """Do nothing."""

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """Do nothing."""

    def come_apart(self) -> None:
        """Do nothing."""


class CommitBarrier:
    """Suspends one session, and tells it the outcome of commits; a ``CommitWaiter`` of the broker."""

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
        # Is the connection gone? How many calls wait for the store to be read?
        self._is_leaving = False
        self._reads = 0
        self.held_for = 0
        """The batch of the store that must be committed before any output goes; 0: none."""
        self._awaits_commit = False
        # By batch: the callbacks for its commit, and for its failure.
        self._after_commit: list[tuple[int, Callable[[], None], Callable[[str], None]]] = []

    def listen(self, traffic: Told, connection: Ending) -> None:
        """Set the parts that are told of commits, and of the end, until `leave`."""
        self._traffic = traffic
        self._connection = connection

    def hold(self, batch: int) -> None:
        """Hold the output until that batch is committed."""
        if 0 < self.held_for < batch:
            # Each further delivery would delay all by a commit, so there are no more until these are sent.
            self._output.fill()
        self.held_for = batch
        self._commits.wait(self, sync=False)

    def await_commit(self, *, patient: bool = False) -> None:
        """Tell the session of the next commit.

        ``patient``: only messages that it has published wait for that, and they need not be written if consumers settle
        them before.
        """
        if not self._awaits_commit:
            self._awaits_commit = True
            self._commits.wait(self, patient=patient)
        elif not patient:
            self._commits.hurry()

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
        """Suspend the session until the store has been read further."""
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
        """The connection is gone: drop the session as soon as it waits for nothing any more."""
        self._is_leaving = True
        self._part()

    def _part(self) -> None:
        """Drop the session if the connection is gone and nothing is left to wait for."""
        if self._is_leaving and not (self._awaits_commit or self.held_for or self._after_commit or self._reads):
            connection, self._connection = self._connection, Nobody()
            self._traffic = Nobody()
            connection.come_apart()

    def broken(self) -> None:
        """End the connection after a fault of the broker's own, so that its client is not told anything wrong."""
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
            # Consumers are served even if the store fails.
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
