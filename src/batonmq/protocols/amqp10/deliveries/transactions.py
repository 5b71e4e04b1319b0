"""The coordinator's resource: transfers and outcomes that count together or not at all (part 4).

A transfer in a transaction is held until its discharge. A delivery that it settles is set aside until then. After a
rollback the delivery's link holds it again (§4.4.2), or, if the client has settled it and so can no longer decide on
it, it goes back to its queue as failed. A link that ends leaves its settlements to the transaction, and a commit
applies them.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from batonmq.broker.management.target import refuse_requests
from batonmq.errors import BrokerError, NotFound, PreconditionFailed, ResourceError
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.composites import encode_composite
from batonmq.protocols.amqp10.codec.performatives import Accepted, Disposition, Released
from batonmq.protocols.amqp10.deliveries.receiver import Receiver
from batonmq.protocols.amqp10.deliveries.serial import runs
from batonmq.protocols.amqp10.failures import LinkFailure, text_of
from batonmq.protocols.sessions.failures import ClientFailure
from batonmq.protocols.sessions.settling import unsettle
from batonmq.protocols.sessions.transactions import PUBLISHES_MAX, Commits, TransactedWork, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from batonmq.broker import Broker
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.broker.routing.router import Router
    from batonmq.message import Message
    from batonmq.protocols.amqp10.codec.performatives import Outcome
    from batonmq.protocols.amqp10.deliveries.channel import Channel
    from batonmq.protocols.amqp10.deliveries.deliveries import Deliveries
    from batonmq.protocols.amqp10.deliveries.late import LateDeliveries
    from batonmq.protocols.amqp10.deliveries.outcomes import Outcomes
    from batonmq.protocols.sessions.commit_barrier import CommitBarrier
    from batonmq.protocols.sessions.counts import MessageCounts
    from batonmq.protocols.sessions.quota import Quota
    from batonmq.protocols.sessions.transactions import Routed
    from batonmq.queued import QueuedMessage

    Publish: TypeAlias = tuple[Message, Sequence[Target]]

# The most open transactions of a session.
TRANSACTIONS_MAX = 256
ID_OCTETS: Final = 16


class Retirement:
    """Deliveries that a transaction settles, by their ids (§4.4.2)."""

    __slots__ = ("done", "is_settled", "late", "outcome", "taken")

    def __init__(self, outcome: Outcome, taken: list[tuple[int, QueuedMessage]], *, is_settled: bool) -> None:
        self.outcome = outcome
        self.taken = taken
        self.is_settled = is_settled
        """Has the client settled them, so that it can no longer decide on them?"""
        self.late: list[int] = []
        """Those that were taken back before the commit, which has no effect on them."""
        self.done: list[QueuedMessage] = []
        """Those that have left their queues with the commit, which the store may still fail."""

    def leave_out(self, late: list[int]) -> None:
        """Note those that were taken back."""
        self.late = late
        left_out = set(late)
        self.taken = [(number, queued) for number, queued in self.taken if number not in left_out]

    def applied(self, done: list[QueuedMessage]) -> None:
        """Note the deliveries that have left their queues."""
        self.done = done


class OpenTransaction(Transaction["Publish", Retirement]):
    """The requests since its declare."""

    __slots__ = ("fault",)

    def __init__(self, quota: Quota) -> None:
        super().__init__(quota, PUBLISHES_MAX)
        self.fault = ""
        """Why it can only be rolled back; "": it can be committed."""

    def fail(self, reason: str) -> None:
        """Allow only its rollback from now on."""
        self.fault = self.fault or reason


class Transactions(TransactedWork["Publish", Retirement]):
    """The transactions of one session, by their ids."""

    __slots__ = ("_channel", "_commits", "_counts", "_deliveries", "_late", "_open", "_outcomes", "_quota", "_router")

    def __init__(
        self,
        broker: Broker,
        barrier: CommitBarrier,
        router: Router,
        quota: Quota,
        channel: Channel,
        deliveries: Deliveries,
        late: LateDeliveries,
        outcomes: Outcomes,
        counts: MessageCounts,
    ) -> None:
        """``quota`` is for the transactions of all sessions of the connection."""
        self._commits = Commits(broker, barrier)
        self._router = router
        self._quota = quota
        self._channel = channel
        self._deliveries = deliveries
        self._late = late
        self._outcomes = outcomes
        self._counts = counts
        self._open: dict[bytes, OpenTransaction] = {}

    def declare(self) -> bytes:
        """Begin one; returns its id. Raises LinkFailure: the session has too many."""
        if len(self._open) >= TRANSACTIONS_MAX:
            text = f"a session may have {TRANSACTIONS_MAX} transactions open"
            raise LinkFailure(conditions.RESOURCE_LIMIT_EXCEEDED, text)
        txn_id = secrets.token_bytes(ID_OCTETS)
        self._open[txn_id] = OpenTransaction(self._quota)
        return txn_id

    def _find(self, txn_id: bytes) -> OpenTransaction:
        transaction = self._open.get(txn_id)
        if transaction is None:
            raise LinkFailure(conditions.UNKNOWN_TRANSACTION, "no transaction of that id is open in this session")
        return transaction

    # ------------------------------------------------------------------ work

    def publish(self, txn_id: bytes, message: Message, targets: Sequence[Target]) -> None:
        """Add a message, to be published at the discharge. Raises LinkFailure, ResourceError, Unsupported.

        An unroutable message is not part of the transaction.
        """
        transaction = self._find(txn_id)
        if targets:
            refuse_requests(targets)
            try:
                transaction.publish([(message, targets)], message.weight, len(targets))
            except PreconditionFailed as error:
                raise ResourceError(str(error)) from None

    def fail(self, txn_id: bytes, reason: str) -> None:
        """Allow only its rollback: one of its transfers was refused, and the client may not know."""
        transaction = self._open.get(txn_id)
        if transaction is not None:
            transaction.fail(reason)

    def settle(self, txn_id: bytes, outcome: Outcome, ids: list[int], *, is_settled: bool) -> None:
        """Add an outcome of deliveries, to be applied at the discharge; ``is_settled``: the client has settled them.

        Raises LinkFailure, SessionFailure, BrokerError; then they are held as before.
        """
        transaction = self._find(txn_id)
        taken = [(number, queued) for number in ids if (queued := self._deliveries.find(number)) is not None]
        self._outcomes.check(outcome, [queued for _, queued in taken])
        if taken:
            size = 0 if isinstance(outcome, Accepted | Released) else len(encode_composite(outcome))
            try:
                transaction.settle(Retirement(outcome, taken, is_settled=is_settled), 0, size)
            except PreconditionFailed as error:
                raise ResourceError(str(error)) from None
            self._deliveries.take(ids)

    # ------------------------------------------------------------------ the end

    def discharge(self, txn_id: bytes, *, fail: bool, done: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Commit a transaction, or roll it back (``fail``), and report the result. Raises LinkFailure.

        ``failed`` is called with the reason if it was rolled back instead of committed.
        """
        transaction = self._find(txn_id)
        if fail or transaction.fault:
            self.roll_back(txn_id)
            if fail:
                done()
            else:
                failed(transaction.fault)
            return
        retired = transaction.settled

        def committed() -> None:
            for each in retired:
                self._answer(each)
            done()

        try:
            self._commits.commit(transaction, self, committed, failed)
        except (ClientFailure, BrokerError) as error:
            self.roll_back(txn_id)
            failed(text_of(error) if isinstance(error, BrokerError) else str(error))
        else:
            del self._open[txn_id]

    def roll_back(self, txn_id: bytes) -> None:
        """Drop its messages, and give back its deliveries; does nothing if it is not open."""
        transaction = self._open.pop(txn_id, None)
        if transaction is not None:
            _, retired = transaction.take()
            self._hold_again([(number, queued, each) for each in retired for number, queued in each.taken])

    def roll_back_all(self) -> None:
        """Roll back all transactions, as the session ends."""
        for txn_id in list(self._open):
            self.roll_back(txn_id)

    def _hold_again(self, taken: list[tuple[int, QueuedMessage, Retirement]]) -> None:
        """Make deliveries unsettled again if the client can still decide on them; otherwise give them back."""
        back: list[tuple[int, QueuedMessage]] = []
        lost: list[QueuedMessage] = []
        for number, queued, retirement in taken:
            holder = queued.holder
            if retirement.is_settled or not isinstance(holder, Receiver) or holder.is_over:
                lost.append(queued)
            else:
                back.append((number, queued))
        self._deliveries.put_back(back)
        self._late.held_again([queued for _, queued in back])
        self._outcomes.give_back(lost)

    def _answer(self, retirement: Retirement) -> None:
        """Settle the deliveries that the client has not settled itself, with the commit."""
        if not retirement.is_settled:
            self._say([number for number, _ in retirement.taken], retirement.outcome)
            self._say(retirement.late, Released())

    def _say(self, ids: list[int], outcome: Outcome) -> None:
        for first, last in runs(ids):
            self._channel.say(Disposition(role=False, first=first, last=last, settled=True, state=outcome))

    # ------------------------------------------------------------------ what a commit does

    def routed(self, published: list[Publish]) -> Routed:
        routed = [([target for target in targets if not _is_gone(target)], message) for message, targets in published]
        for targets, message in routed:
            if not targets:
                raise NotFound(f"the queue of a message to '{message.exchange}', '{message.routing_key}' is gone")
        return routed

    def publish_held(self, published: list[Publish]) -> None:
        for message, targets in published:
            left = [target for target in targets if not _is_gone(target)]
            self._router.publish(message, left)
            self._router.counters_of(message.exchange).routed_to(len(left))
        self._counts.add_published(len(published))

    def settle_held(self, settled: Retirement) -> None:
        if late := self._late.end(settled.taken):
            settled.leave_out(late)
        settled.applied(self._outcomes.apply(settled.outcome, [queued for _, queued in settled.taken]))

    def unsettle_held(self, settled: list[Retirement]) -> None:
        back: list[tuple[int, QueuedMessage, Retirement]] = []
        for each in settled:
            unsettle(each.done)
            if not each.is_settled:
                self._say(each.late, Released())
            done = set(each.done)
            back += [(number, queued, each) for number, queued in each.taken if queued in done]
        self._hold_again(back)


def _is_gone(target: Target) -> bool:
    return bool(getattr(target, "deleted", False))
