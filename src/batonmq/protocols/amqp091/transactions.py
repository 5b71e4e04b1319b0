"""tx: publishes and settlements of a channel that happen together or not at all (AMQP 0-9-1 §1.9).

Publishes and settlements are held until the commit, which applies them in one turn: the store writes all of it in
one transaction, over any number of queues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.features.length_limit import first_full
from batonmq.errors import PreconditionFailed, ResourceError

if TYPE_CHECKING:
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.message import Message, QueuedMessage
    from batonmq.protocols.amqp091.publishing import Publishing

# Messages that a transaction may put into queues, each counted for every queue: what the commit does in one turn, in
# which nobody else is served. 50,000 take about 0.1 s.
PUBLISHES_MAX: Final = 50_000


class Transaction:
    """What a channel has asked for since its last commit or rollback."""

    __slots__ = ("_channel", "_committing", "_count", "_published", "_settled", "_size")

    def __init__(self, channel: Publishing) -> None:
        self._channel = channel
        self._published: list[tuple[Message, list[Target], bool]] = []
        self._settled: list[tuple[str, list[tuple[int, QueuedMessage]]]] = []
        # Messages by queue, and octets, that are held.
        self._count = 0
        self._size = 0
        # Settled by the commit that the store is writing.
        self._committing: list[tuple[int, QueuedMessage]] = []

    def publish(self, message: Message, targets: list[Target], *, mandatory: bool) -> None:
        """To be published at the commit. Raises PreconditionFailed: it is too much."""
        session = self._channel.session
        self._count += max(len(targets), 1)
        if self._count > PUBLISHES_MAX:
            raise PreconditionFailed(f"a transaction holds at most {PUBLISHES_MAX} messages: commit before that")
        most = session.settings.max_transaction_size
        if session.transactions_size + message.size > most:
            raise PreconditionFailed(f"the transactions of a connection hold at most {most} bytes: commit before that")
        self._size += message.size
        session.transactions_size += message.size
        self._published.append((message, targets, mandatory))

    def settle(self, outcome: str, taken: list[tuple[int, QueuedMessage]]) -> None:
        """To be settled at the commit: 'ack', 'release' (it failed), 'return' or 'reject'."""
        if taken:
            self._settled.append((outcome, taken))

    def commit(self) -> None:
        """Do all of it. Raises BrokerError when the store or a queue cannot keep it, before anything is done."""
        channel = self._channel
        broker = channel.session.broker
        # A queue may have gone since; what is left decides whether the message comes back.
        left = [
            (message, [target for target in targets if not getattr(target, "deleted", False)], mandatory)
            for message, targets, mandatory in self._published
        ]
        if broker.store.error is not None and any(message.properties.persistent for message, _, _ in left):
            raise ResourceError(f"the transaction cannot be kept: {broker.store.error.reason}")
        now = int(broker.clock.time() * 1000)
        full = first_full(((targets, message) for message, targets, _ in left), now)
        if full is not None:
            raise PreconditionFailed(f"the transaction cannot be kept: queue '{full.name}' is full")
        self._take_published()
        settled, self._settled = self._settled, []
        self._committing = [entry for outcome, taken in settled if outcome in ("ack", "reject") for entry in taken]
        for message, targets, mandatory in left:
            channel.put(message, targets, mandatory=mandatory)
        for outcome, taken in settled:
            if outcome == "ack":
                channel.accept_all(taken)
            elif outcome == "reject":
                channel.reject_all(taken)
            else:
                channel.release_all(taken, failed=outcome == "release")

    def committed(self) -> None:
        """The store has kept the commit."""
        self._committing = []

    def failed(self) -> None:
        """The store has kept nothing of the commit: what it settled is unsettled again. Its publishes are gone."""
        back, self._committing = self._committing, []
        for _, queued in back:
            queued.settlement.unsettle(queued)
        self._channel.take_credit(back)
        self._put_back(back)

    def rollback(self) -> None:
        """Forget all of it; what was settled is unsettled again, and is not delivered anew (§1.9.2.5)."""
        self._take_published()
        settled, self._settled = self._settled, []
        self._put_back([entry for _, taken in settled for entry in taken])

    def _take_published(self) -> None:
        self._published = []
        self._channel.session.transactions_size -= self._size
        self._count = self._size = 0

    def _put_back(self, back: list[tuple[int, QueuedMessage]]) -> None:
        if back:
            channel = self._channel
            back = sorted([*back, *channel.unsettled.items()], key=lambda entry: entry[0])
            channel.unsettled = dict(back)
            channel.settled_up_to = min(channel.settled_up_to, back[0][0])
