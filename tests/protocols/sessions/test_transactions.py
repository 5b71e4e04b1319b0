"""What a transaction of any protocol holds, and what its commit does or leaves undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import batonmq
from batonmq.errors import PreconditionFailed
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.protocols.sessions.quota import Quota
from batonmq.protocols.sessions.transactions import Commits, TransactedWork, Transaction
from batonmq.queued import QueuedMessage
from tests.support.driven import Driven

if TYPE_CHECKING:
    from batonmq.protocols.sessions.transactions import Routed


class Work(TransactedWork[str, QueuedMessage]):
    """Publishes to the queues that are named, and accepts."""

    def __init__(self, driven: Driven) -> None:
        self.driven = driven

    def _message(self, name: str) -> Message:
        return Message("", name, Properties.make(delivery_mode=2), b"sent")

    def routed(self, published: list[str]) -> Routed:
        return [([self.driven.operations.find_queue(name)], self._message(name)) for name in published]

    def publish_held(self, published: list[str]) -> None:
        for name in published:
            self.driven.operations.find_queue(name).publish(self._message(name))

    def settle_held(self, settled: QueuedMessage) -> None:
        settled.settlement.accept(settled)

    def unsettle_held(self, settled: list[QueuedMessage]) -> None:
        for queued in settled:
            queued.settlement.unsettle(queued)


class Barrier:
    """Remembers who waits."""

    def __init__(self) -> None:
        self.waiting: list[object] = []

    def wait_for_commit(self, done: object, failed: object) -> None:
        self.waiting.append((done, failed))


def test_it_holds_so_much_and_no_more() -> None:
    quota = Quota(10)
    first: Transaction[str, str] = Transaction(quota, 3)
    other: Transaction[str, str] = Transaction(quota, 3)
    first.publish(["a"], 6)
    with pytest.raises(PreconditionFailed, match="hold at most 10 bytes"):
        other.publish(["b"], 5)
    other.publish(["b"], 4, 2)
    other.settle("c")
    with pytest.raises(PreconditionFailed, match="holds at most 3 messages"):
        other.settle("d")
    with pytest.raises(PreconditionFailed, match="holds at most 3 messages"):
        other.publish([], 0)
    assert other.take() == (["b"], ["c"])
    # It begins anew, and the other has room.
    assert (other.published, other.settled) == ([], [])
    other.settle("e", 3)
    first.publish(["f"], 4)
    with pytest.raises(PreconditionFailed, match="hold at most 10 bytes"):
        first.settle("g", 0, 1)


def test_small_messages_are_counted_for_all_together() -> None:
    quota = Quota(100, 5)
    first: Transaction[str, str] = Transaction(quota, 10)
    other: Transaction[str, str] = Transaction(quota, 10)
    first.publish(["a"], 0, 3)
    with pytest.raises(PreconditionFailed, match="a connection hold at most 5 messages"):
        other.publish(["b"], 0, 3)
    first.take()
    other.publish(["b"], 0, 5)


@pytest.mark.skipif(batonmq.compiled, reason="what is compiled takes nothing in place of a barrier")
@pytest.mark.parametrize("to", ["full", "gone"])
def test_what_cannot_be_done_whole_is_not_begun(to: str) -> None:
    driven = Driven()
    driven.queue()
    driven.queue("full", x_max_length=1, x_overflow="reject-publish")
    driven.publish("m", queue="full")
    driven.settle()
    transaction: Transaction[str, QueuedMessage] = Transaction(Quota(100), 10)
    transaction.publish(["q", to], 8)
    commits = Commits(driven.broker, Barrier())  # type: ignore[arg-type]
    told: list[str] = []
    with pytest.raises(Exception, match="'full' is full" if to == "full" else "no queue 'gone'"):
        commits.commit(transaction, Work(driven), lambda: told.append("done"), told.append)
    assert told == []
    assert driven.bodies() == []
    # The client may still roll back what it holds.
    assert transaction.published == ["q", to]


@pytest.mark.skipif(batonmq.compiled, reason="what is compiled takes nothing in place of a barrier")
def test_a_commit_with_nothing_for_the_disk_is_done_at_once() -> None:
    driven = Driven()
    told: list[str] = []
    barrier = Barrier()
    commits = Commits(driven.broker, barrier)  # type: ignore[arg-type]
    driven.settle()
    commits.commit(Transaction(Quota(1), 1), Work(driven), lambda: told.append("done"), told.append)
    assert told == ["done"]
    assert barrier.waiting == []
    assert not commits.are_pending
