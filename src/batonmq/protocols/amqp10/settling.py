"""What becomes of the deliveries of one session, as the client's dispositions say (part 2 §2.7.6, part 3 §3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.fields import FieldError
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Declared,
    Disposition,
    Modified,
    Received,
    Rejected,
    Released,
    TransactionalState,
)
from batonmq.protocols.amqp10.failures import SessionFailure
from batonmq.protocols.amqp10.messages.field_values import to_field
from batonmq.protocols.amqp10.receiver import Receiver
from batonmq.protocols.sessions import settling
from batonmq.protocols.sessions.unconfirmed import Unconfirmed

if TYPE_CHECKING:
    from batonmq.broker import Broker
    from batonmq.fields import FieldValue
    from batonmq.message import Holder, QueuedMessage
    from batonmq.protocols.amqp10.channel import Channel
    from batonmq.protocols.amqp10.codec.composites import Annotations
    from batonmq.protocols.amqp10.codec.performatives import DeliveryState, Outcome
    from batonmq.protocols.amqp10.deliveries import Deliveries
    from batonmq.protocols.sessions.commit_barrier import CommitBarrier
    from batonmq.protocols.sessions.counts import MessageCounts
    from batonmq.protocols.sessions.turn_end import TurnEnd

# Those are not interpreted by anybody who does not know them (part 3 §3.2.3).
ANNOTATION_PREFIX: Final = "x-"


class Settling:
    """Settles what the client has received on one session, at once or in a transaction."""

    __slots__ = (
        "_answers",
        "_barrier",
        "_broker",
        "_channel",
        "_counts",
        "_deliveries",
        "_turn_end",
    )

    def __init__(
        self,
        channel: Channel,
        deliveries: Deliveries,
        broker: Broker,
        barrier: CommitBarrier,
        turn_end: TurnEnd,
        counts: MessageCounts,
    ) -> None:
        self._channel = channel
        self._deliveries = deliveries
        self._broker = broker
        self._barrier = barrier
        self._turn_end = turn_end
        self._counts = counts
        # Our settlements of what the client has not settled itself: said once the store has its outcome.
        self._answers: Unconfirmed[Disposition] = Unconfirmed()

    def take(self, disposition: Disposition) -> None:
        """The client's disposition of what it has received. Raises SessionFailure, BrokerError."""
        first = disposition.first
        last = disposition.last if disposition.last is not None else first
        state = disposition.state
        ids = self._deliveries.named(first, last)
        if isinstance(state, TransactionalState):
            raise SessionFailure(conditions.NOT_IMPLEMENTED, "there are no transactions")
        if state is None:
            if disposition.settled:
                self._by_default(ids)
            return
        if isinstance(state, Received):
            # It has come in part; what becomes of it is yet to be told.
            if disposition.settled:
                self._by_default(ids)
            return
        if isinstance(state, Declared):
            raise SessionFailure(conditions.INVALID_FIELD, "declared is no outcome of a delivery")
        self.apply(state, self._deliveries.take(ids))
        if not disposition.settled and ids:
            self._answer(Disposition(role=False, first=first, last=disposition.last, settled=True, state=state))

    # ------------------------------------------------------------------ what is done

    def apply(self, outcome: DeliveryState | Outcome, held: list[QueuedMessage]) -> None:
        """Settle these, which are not unsettled any more."""
        if not held:
            return
        if isinstance(outcome, Accepted):
            settling.accept(held)
            self._counts.add_accepted(len(held))
        elif isinstance(outcome, Rejected):
            error = outcome.error
            reason, condition = (error.description or "", str(error.condition)) if error is not None else ("", "")
            for queued in held:
                queued.settlement.reject(queued, reason, condition)
            self._counts.add_rejected(len(held))
        elif isinstance(outcome, Modified):
            headers = _headers_of(outcome.message_annotations)
            failed, elsewhere = bool(outcome.delivery_failed), bool(outcome.undeliverable_here)
            for queue, returned in settling.by_queue(held).items():
                queue.modify(returned, headers, failed=failed, elsewhere=elsewhere)
            self._counts.add_requeued(len(held))
        else:
            self._counts.add_requeued(len(held))
            settling.requeue(held, failed=False, counted=False)

    def _by_default(self, ids: list[int]) -> None:
        """The client has settled these without saying what they came to: as its links' defaults say."""
        for number in ids:
            queued = self._deliveries.pop(number)
            if queued is not None:
                self.apply(_default_of(queued.holder) or Released(), [queued])

    def release_link(self, link: Holder) -> None:
        """A link ends: what is unsettled on it comes to its default, or goes back, counted as one that has failed."""
        held = self._deliveries.take(self._deliveries.of_link(link))
        default = _default_of(link)
        if default is None:
            self._counts.add_requeued(len(held))
            settling.requeue(held, failed=True)
        else:
            self.apply(default, held)

    def take_one(self, delivery_id: int) -> QueuedMessage | None:
        """A delivery that somebody else settles, no longer unsettled here; None: there is none under that id."""
        return self._deliveries.pop(delivery_id)

    # ------------------------------------------------------------------ our settlements

    def _answer(self, disposition: Disposition) -> None:
        store = self._broker.store
        if store.has_work():
            self._answers.add(store.batch, disposition)
            self._barrier.await_commit()
        else:
            self._channel.say(disposition)

    def batch_committed(self, batch: int) -> None:
        """Everything up to this batch is on the disk."""
        for disposition in self._answers.take(batch):
            self._channel.say(disposition)

    def clear(self) -> None:
        """The session ends."""
        self._answers.clear()


def _default_of(holder: Holder | None) -> Outcome | None:
    return holder.default_outcome if isinstance(holder, Receiver) else None


def _headers_of(annotations: Annotations | None) -> dict[str, FieldValue] | None:
    """What a receiver notes on messages, as headers. Raises SessionFailure, FieldError for what cannot be kept."""
    if not annotations:
        return None
    headers = {}
    for name, value in annotations.items():
        if not isinstance(name, str) or not name.startswith(ANNOTATION_PREFIX):
            text = f"annotations of modified begin with {ANNOTATION_PREFIX}, and one is {str(name)[:64]!r}"
            raise SessionFailure(conditions.INVALID_FIELD, text, {"invalid-field": "message-annotations"})
        try:
            headers[str(name)] = to_field(value)
        except FieldError as error:
            raise SessionFailure(conditions.INVALID_FIELD, f"annotation {name[:64]!r}: {error}") from None
    return headers
