"""Transactions: publishes and settlements that happen together or not at all.

All requests in one are held until the commit, which applies it in one turn: the store writes all of it in one
transaction, over any number of queues. A commit is checked before anything is done, so that it is done whole or
refused; what the store cannot keep is undone.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from batonmq.broker.features.length_limit import first_full
from batonmq.broker.routing.router import needs_disk
from batonmq.errors import PreconditionFailed, ResourceError
from batonmq.purity import mypyc_attr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batonmq.broker import Broker
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.errors import BrokerError
    from batonmq.message import Message
    from batonmq.protocols.sessions.commit_barrier import CommitBarrier
    from batonmq.protocols.sessions.failures import ClientFailure
    from batonmq.protocols.sessions.quota import Quota

    Routed = Sequence[tuple[Sequence[Target], Message]]
    """Messages, each with the queues that it goes to."""

# The most messages that a transaction may put into queues, counted per queue: the commit happens in one turn, in which
# nobody else is served. 50,000 take about 0.1 s.
PUBLISHES_MAX: Final = 50_000

P = TypeVar("P")
S = TypeVar("S")


@mypyc_attr(allow_interpreted_subclasses=True)
class Transaction(Generic[P, S]):
    """The requests since it began, in order: publishes and settlements. None is done yet."""

    __slots__ = ("_count", "_most", "_quota", "_size", "_unit", "published", "settled")

    def __init__(self, quota: Quota, most: int, unit: str = "messages") -> None:
        """``quota`` is what all transactions of a connection may hold; ``most``: that many ``unit`` in this one."""
        self._quota = quota
        self._most = most
        self._unit = unit
        self._count = 0
        self._size = 0
        self.published: list[P] = []
        self.settled: list[S] = []

    def publish(self, what: Sequence[P], size: int, count: int = 1) -> None:
        """Add a publish of that many octets. Raises PreconditionFailed if it is too much."""
        self._use(count, size)
        self.published += what

    def settle(self, what: S, count: int = 1, size: int = 0) -> None:
        """Add a settlement of that many octets. Raises PreconditionFailed if it is too much."""
        self._use(count, size)
        self.settled.append(what)

    def _use(self, count: int, size: int) -> None:
        if self._count + count > self._most:
            raise PreconditionFailed(f"a transaction holds at most {self._most} {self._unit}: commit before that")
        quota = self._quota
        if not quota.take(size, count):
            most = f"{quota.limit} bytes" if quota.has_room_for(count) else f"{quota.entries_max} {self._unit}"
            raise PreconditionFailed(f"the transactions of a connection hold at most {most}: commit before that")
        self._count += count
        self._size += size

    def take(self) -> tuple[list[P], list[S]]:
        """Take all requests; it is empty then."""
        published, self.published = self.published, []
        settled, self.settled = self.settled, []
        self._quota.give_back(self._size, self._count)
        self._count = self._size = 0
        return published, settled


@mypyc_attr(allow_interpreted_subclasses=True)
class TransactedWork(Generic[P, S], metaclass=ABCMeta):
    """A protocol's way to carry out the requests of its transactions."""

    __slots__ = ()

    @abstractmethod
    def routed(self, published: list[P]) -> Routed:
        """The current targets of the messages.

        Raises ClientFailure, BrokerError if one cannot be published any more.
        """

    @abstractmethod
    def publish_held(self, published: list[P]) -> None:
        """Put the messages into their queues, all of which have room."""

    @abstractmethod
    def settle_held(self, settled: S) -> None:
        """Carry out the settlements."""

    @abstractmethod
    def unsettle_held(self, settled: list[S]) -> None:
        """The store has failed: accepted and rejected messages are held again. Those given back are not."""

    def too_full(self, name: str) -> ClientFailure | BrokerError:
        """The error for a queue without room for its messages."""
        return PreconditionFailed(f"the transaction cannot be kept: queue '{name}' is full")


class Commits:
    """The commits of one connection."""

    __slots__ = ("_barrier", "_broker", "_pending")

    def __init__(self, broker: Broker, barrier: CommitBarrier) -> None:
        self._broker = broker
        self._barrier = barrier
        self._pending = 0

    @property
    def are_pending(self) -> bool:
        """Is there a commit that the store may still fail?"""
        return self._pending > 0

    def commit(
        self,
        transaction: Transaction[P, S],
        work: TransactedWork[P, S],
        done: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        """Do all of a transaction, which is empty then; the session waits for the store.

        ``done`` is called when the store has it, if there is anybody left to tell; ``failed``, with the reason, when it
        could not be kept and everything is as it was before. Raises ClientFailure, BrokerError when something cannot be
        done, before anything is: the transaction holds what it held.
        """
        self._check(work, work.routed(transaction.published))
        published, settled = transaction.take()
        work.publish_held(published)
        for each in settled:
            work.settle_held(each)
        if not self._broker.store.has_work():
            done()
            return
        self._pending += 1
        undo = partial(self._undo, work, settled, failed)
        self._barrier.wait_for_commit(partial(self._done, done), undo)

    def _check(self, work: TransactedWork[P, S], routed: Routed) -> None:
        error = self._broker.store.error
        if error is not None and any(needs_disk(message, targets) for targets, message in routed):
            raise ResourceError(f"the transaction cannot be kept: {error.reason}")
        full = first_full(routed)
        if full is not None:
            raise work.too_full(full.name)

    def _done(self, done: Callable[[], None]) -> None:
        self._pending -= 1
        done()

    def _undo(self, work: TransactedWork[P, S], settled: list[S], failed: Callable[[str], None], reason: str) -> None:
        self._pending -= 1
        work.unsettle_held(settled)
        failed(reason)
