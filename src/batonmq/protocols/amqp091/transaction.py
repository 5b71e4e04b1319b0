"""The requests on a channel since its last commit or rollback (AMQP 0-9-1 §1.9)."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import TYPE_CHECKING, Final

from batonmq.protocols.sessions import transactions
from batonmq.protocols.sessions.transactions import PUBLISHES_MAX

if TYPE_CHECKING:
    from typing import TypeAlias

    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.message import Message
    from batonmq.protocols.sessions.quota import Quota
    from batonmq.queued import QueuedMessage

    Taken: TypeAlias = list[tuple[int, QueuedMessage]]
    """Deliveries with their tags, in order."""
    Settled: TypeAlias = tuple["Settler", str, Taken]
    """Deliveries, their outcome, and their settler: mostly the channel's own, or that of another channel."""
    Publish: TypeAlias = tuple[Message, list[Target], bool]
    """Its target, and whether it is returned if unroutable."""

# The outcomes of deliveries. RELEASE and RETURN give them back; RELEASE marks them as failed.
ACCEPT: Final = "accept"
REJECT: Final = "reject"
RELEASE: Final = "release"
RETURN: Final = "return"


class Settler(metaclass=ABCMeta):
    """What settles the deliveries of one channel, as far as transactions need it."""

    __slots__ = ()

    @abstractmethod
    def apply(self, outcome: str, taken: Taken) -> None:
        """Settle these deliveries, which were taken already."""

    @abstractmethod
    def undo(self, settled: Taken) -> None:
        """Make deliveries unsettled again, as the store could not keep that they were settled."""

    @abstractmethod
    def put_back(self, taken: Taken) -> None:
        """Make deliveries unsettled again, as the transaction was rolled back."""

    @abstractmethod
    def take_held(self, tag: int) -> Taken:
        """Take the unsettled delivery of that tag, for the transaction of another channel; empty: there is none."""


class Transaction(transactions.Transaction["Publish", "Settled"]):
    """The transaction of a channel. After tx.select there is always one: each commit begins the next."""

    __slots__ = ("is_selected",)

    def __init__(self, quota: Quota) -> None:
        super().__init__(quota, PUBLISHES_MAX)
        self.is_selected = False
        """Is the channel transactional? It stays so."""

    def select(self) -> None:
        """tx.select."""
        self.is_selected = True
