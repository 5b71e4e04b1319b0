"""What becomes of messages that a client has received: its outcomes as verbs of the queues (part 3 §3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.features.annotations import annotated
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Accepted, Declared, Modified, Received, Rejected
from batonmq.protocols.amqp10.codec.values import DecodeError, Symbol
from batonmq.protocols.amqp10.failures import SessionFailure
from batonmq.protocols.amqp10.messages.field_values import to_field
from batonmq.protocols.sessions import settling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp10.codec.performatives import DeliveryState
    from batonmq.protocols.sessions.counts import MessageCounts
    from batonmq.queued import QueuedMessage

# Annotations that only the broker writes.
OF_BROKER: Final = frozenset({"x-exchange", "x-routing-key"})


class Outcomes:
    """Those of one connection."""

    __slots__ = ("_counts",)

    def __init__(self, counts: MessageCounts) -> None:
        self._counts = counts

    def check(self, outcome: DeliveryState, held: Iterable[QueuedMessage]) -> None:
        """Can the outcome come about? Raises SessionFailure, PreconditionFailed; then nothing was done.

        Nothing that ``apply`` does is refused afterwards, while the messages are held.
        """
        if isinstance(outcome, Received | Declared):
            raise SessionFailure(conditions.INVALID_FIELD, f"{type(outcome).__name__.lower()} is no outcome")
        if isinstance(outcome, Modified) and (headers := _headers_of(outcome)):
            for queued in held:
                annotated(queued.message, headers)

    def apply(self, outcome: DeliveryState, held: list[QueuedMessage]) -> list[QueuedMessage]:
        """Settle these, by an outcome that was checked. Returns those that are done with: they can be unsettled."""
        if not held:
            return held
        if isinstance(outcome, Accepted):
            settling.accept(held)
            self._counts.add_accepted(len(held))
            return held
        if isinstance(outcome, Rejected):
            error = outcome.error
            reason, condition = (error.description or "", str(error.condition)) if error is not None else ("", "")
            for queued in held:
                queued.settlement.reject(queued, reason, condition)
            self._counts.add_rejected(len(held))
            return held
        if isinstance(outcome, Modified):
            return self._modify(outcome, held)
        self._counts.add_requeued(len(held))
        settling.requeue(held, failed=False, counted=False)
        return []

    def _modify(self, outcome: Modified, held: list[QueuedMessage]) -> list[QueuedMessage]:
        headers = _headers_of(outcome)
        failed, elsewhere = bool(outcome.delivery_failed), bool(outcome.undeliverable_here)
        rejected: list[QueuedMessage] = []
        for queue, returned in settling.by_queue(held).items():
            if not queue.modify(returned, headers, failed=failed, elsewhere=elsewhere):
                rejected += returned
        self._counts.add_rejected(len(rejected))
        self._counts.add_requeued(len(held) - len(rejected))
        return rejected

    def give_back(self, held: list[QueuedMessage]) -> None:
        """Nobody has told what became of them: they have failed, which counts."""
        if held:
            self._counts.add_requeued(len(held))
            settling.requeue(held, failed=True)


def _headers_of(outcome: Modified) -> Mapping[str, FieldValue] | None:
    """What the client notes on the messages, as headers. Raises SessionFailure.

    All symbols but those that begin with ``x-`` are reserved, and so are numbers (part 3 §3.2.10).
    """
    if not outcome.message_annotations:
        return None
    headers: dict[str, FieldValue] = {}
    for name, value in outcome.message_annotations.items():
        if not isinstance(name, Symbol) or not name.startswith("x-"):
            text = f"an annotation of a modified message has a name that begins with x-, and not {name!r}"
            raise SessionFailure(conditions.INVALID_FIELD, text, {"field": "message-annotations"})
        if name in OF_BROKER:
            continue
        try:
            headers[str(name)] = to_field(value)
        except DecodeError as error:
            raise SessionFailure(conditions.INVALID_FIELD, str(error), {"field": "message-annotations"}) from None
    return headers
