"""What a channel's client has asked for since its last commit or rollback (AMQP 0-9-1 §1.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.errors import PreconditionFailed

if TYPE_CHECKING:
    from typing import TypeAlias

    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.message import Message, QueuedMessage
    from batonmq.protocols.sessions.quota import Quota

    Taken: TypeAlias = list[tuple[int, QueuedMessage]]
    """Deliveries with their tags, in order."""
    Publish: TypeAlias = tuple[Message, list[Target], bool]
    """Where it goes to, and whether it comes back when that is nowhere."""

# Messages that a transaction may put into queues, each counted for every queue: what the commit does in one turn, in
# which nobody else is served. 50,000 take about 0.1 s.
PUBLISHES_MAX: Final = 50_000

# What is done with deliveries. RELEASE and RETURN give them back, RELEASE says that they have failed.
ACCEPT: Final = "accept"
REJECT: Final = "reject"
RELEASE: Final = "release"
RETURN: Final = "return"


class Transaction:
    """That of one channel, which has one from tx.select on."""

    __slots__ = ("_count", "_published", "_quota", "_settled", "_size", "is_selected")

    def __init__(self, quota: Quota) -> None:
        """``quota`` is what all transactions of the connection may hold."""
        self._quota = quota
        self._published: list[Publish] = []
        self._settled: list[tuple[str, Taken]] = []
        # Messages by queue, and octets, that are held.
        self._count = 0
        self._size = 0
        self.is_selected = False
        """Is the channel transactional? It stays so."""

    def select(self) -> None:
        """tx.select."""
        self.is_selected = True

    def publish(self, message: Message, targets: list[Target], *, mandatory: bool) -> None:
        """To be published at the commit. Raises PreconditionFailed: it is too much."""
        self._count += max(len(targets), 1)
        if self._count > PUBLISHES_MAX:
            raise PreconditionFailed(f"a transaction holds at most {PUBLISHES_MAX} messages: commit before that")
        if not self._quota.take(message.size):
            most = self._quota.limit
            raise PreconditionFailed(f"the transactions of a connection hold at most {most} bytes: commit before that")
        self._size += message.size
        self._published.append((message, targets, mandatory))

    def settle(self, outcome: str, taken: Taken) -> None:
        """To be settled at the commit: ACCEPT, REJECT, RELEASE or RETURN."""
        if taken:
            self._settled.append((outcome, taken))

    @property
    def published(self) -> list[Publish]:
        """The messages that wait for the commit; a queue that has gone since is not among their targets."""
        return [
            (message, [target for target in targets if not getattr(target, "deleted", False)], mandatory)
            for message, targets, mandatory in self._published
        ]

    def take(self) -> list[tuple[str, Taken]]:
        """What was to be settled; nothing waits any more."""
        self._published = []
        self._quota.give_back(self._size)
        self._count = self._size = 0
        settled, self._settled = self._settled, []
        return settled
