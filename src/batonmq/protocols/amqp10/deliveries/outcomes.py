"""Applies a client's outcomes to the messages that it has received (part 3 §3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.features.annotations import annotated
from batonmq.broker.model.settings import TIME_MAX
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Accepted, Declared, Modified, Received, Rejected
from batonmq.protocols.amqp10.codec.values import DecodeError, Symbol
from batonmq.protocols.amqp10.failures import SessionFailure
from batonmq.protocols.amqp10.messages.field_values import to_field
from batonmq.protocols.sessions import settling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.clock import Clock
    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp10.codec.performatives import DeliveryState
    from batonmq.protocols.sessions.counts import MessageCounts
    from batonmq.queued import QueuedMessage

# Annotations that only the broker writes.
OF_BROKER: Final = frozenset({"x-exchange", "x-routing-key"})
# Annotations that ask for a delay: a time in milliseconds of the epoch, and a duration in milliseconds.
DELIVER_AT: Final = "x-opt-delivery-time"
DELAY: Final = "x-opt-delivery-delay"


class Outcomes:
    """The outcomes on one connection."""

    __slots__ = ("_clock", "_counts")

    def __init__(self, counts: MessageCounts, clock: Clock) -> None:
        self._counts = counts
        self._clock = clock

    def check(self, outcome: DeliveryState, held: Iterable[QueuedMessage]) -> None:
        """Check that an outcome can be applied. Raises SessionFailure, PreconditionFailed, and then does nothing.

        After this ``apply`` does not fail while the messages are held.
        """
        if isinstance(outcome, Received | Declared):
            raise SessionFailure(conditions.INVALID_FIELD, f"{type(outcome).__name__.lower()} is no outcome")
        if isinstance(outcome, Modified):
            self._delay_of(outcome)
            if headers := _headers_of(outcome):
                for queued in held:
                    annotated(queued.message, headers)

    def apply(self, outcome: DeliveryState, held: list[QueuedMessage]) -> list[QueuedMessage]:
        """Settle messages with a checked outcome. Returns those that left their queue, which can be unsettled."""
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
        headers, delay = _headers_of(outcome), self._delay_of(outcome)
        failed, elsewhere = bool(outcome.delivery_failed), bool(outcome.undeliverable_here)
        rejected: list[QueuedMessage] = []
        for queue, returned in settling.by_queue(held).items():
            if not queue.modify(returned, headers, failed=failed, elsewhere=elsewhere, delay=delay):
                rejected += returned
        self._counts.add_rejected(len(rejected))
        self._counts.add_requeued(len(held) - len(rejected))
        return rejected

    def _delay_of(self, outcome: Modified) -> int | None:
        """Milliseconds until the messages are ready again; None: by the queue's settings. Raises SessionFailure."""
        annotations = outcome.message_annotations or {}
        for name in (DELIVER_AT, DELAY):
            value = annotations.get(Symbol(name))
            if value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                text = f"{name} is a number of milliseconds, 0 or more"
                raise SessionFailure(conditions.INVALID_FIELD, text, {"field": "message-annotations"})
            delay = value - round(self._clock.time() * 1000) if name == DELIVER_AT else value
            return min(max(int(delay), 0), TIME_MAX)
        return None

    def give_back(self, held: list[QueuedMessage]) -> None:
        """Give back messages without an outcome: they have failed, which counts."""
        if held:
            self._counts.add_requeued(len(held))
            settling.requeue(held, failed=True)


def _headers_of(outcome: Modified) -> Mapping[str, FieldValue] | None:
    """The client's annotations for the messages, as headers. Raises SessionFailure.

    All symbols except those that begin with ``x-`` are reserved, and so are numbers (part 3 §3.2.10).
    """
    if not outcome.message_annotations:
        return None
    headers: dict[str, FieldValue] = {}
    for name, value in outcome.message_annotations.items():
        if not isinstance(name, Symbol) or not name.startswith("x-"):
            text = f"an annotation of a modified message has a name that begins with x-, and not {name!r}"
            raise SessionFailure(conditions.INVALID_FIELD, text, {"field": "message-annotations"})
        if name in OF_BROKER or name in (DELIVER_AT, DELAY):
            continue
        try:
            headers[str(name)] = to_field(value)
        except DecodeError as error:
            raise SessionFailure(conditions.INVALID_FIELD, str(error), {"field": "message-annotations"}) from None
    return headers or None
