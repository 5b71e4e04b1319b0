"""BatonMQ's own server over AMQP 1.0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from batonmq.engines import questions
from batonmq.engines.amqp10.products.base import Count, Held, Settlement
from batonmq.engines.amqp10.products.desk import Opening
from batonmq.engines.amqp10.products.paired import PairedProduct
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.interface import How
from batonmq.engines.leases import lost
from batonmq.engines.messages import Message, received_message
from batonmq.engines.steps import Steps, wait_for
from batonmq.engines.values import Capabilities
from batonmq.errors import BrokerError
from batonmq.properties import EMPTY
from batonmq.protocols.amqp10.codec.performatives import Modified, Target
from batonmq.protocols.amqp10.codec.values import Long, Symbol, ULong, encode

__all__ = ["BatonmqProduct"]

_MANAGEMENT: Final = "/exchanges/batonmq.management"


class BatonmqProduct(PairedProduct):
    """All that the API offers."""

    echoes = True

    def count_of(self, message: Message, failures: int, first_acquirer: bool) -> Count:
        # A message that came back unseen was at another receiver, but nobody has had it.
        return Count(failures + 1, failures > 0)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            engine=self.engine_name,
            durable=True,
            delay=True,
            release_delay=True,
            retry_delay=True,
            deduplication=True,
            lease=True,
            ttl=True,
            priority=True,
            group=True,
            delivery_count=True,
            max_deliveries=True,
            dead_letter=True,
            max_length=True,
            expires=True,
            single_consumer=True,
            reject_reason=True,
            request=True,
            transactions=True,
            peek=True,
            count=True,
            purge=True,
            replay=True,
            schedule=True,
            replay_home=True,
            queues=True,
            stats=True,
            until_empty=True,
            progress=True,
            atomic_replay=True,
        )

    @property
    def system(self) -> str:
        return "batonmq"

    def delay_annotations(self, seconds: float) -> dict[str, object]:
        return {"x-opt-delivery-delay": Long(round(seconds * 1000))}

    def opening(self, queue: str, lease: float | None, prefetch: int) -> Opening:
        properties = {Symbol("rabbitmq:consumer-timeout"): ULong(_milliseconds(lease))} if lease is not None else None
        return Opening(self.source(queue), properties)

    def settlement(self, held: Held, how: How, reason: str, delay: float | None) -> Settlement:
        if how == "release" and delay is not None:
            annotations = {Symbol("x-opt-delivery-delay"): Long(round(delay * 1000))}
            return Settlement(Modified(delivery_failed=True, message_annotations=annotations))
        return super().settlement(held, how, reason, delay)

    def renewal(self, session: int, delivery_id: int, seconds: float) -> Steps[None]:
        try:
            yield from self._ask(_renewal(session, delivery_id, seconds))
        except BrokerError:
            raise lost() from None

    def renew_unasked(self, session: int, delivery_ids: list[int], seconds: float) -> None:
        requests = [msgspec.json.encode(_renewal(session, number, seconds)) for number in delivery_ids]
        self.desk.send(Target(address=_MANAGEMENT), [b"\x00Su" + encode(request) for request in requests], "")

    def queues(self) -> Steps[list[QueueInfo]]:
        return questions.list_queues(self._ask)

    def report(self, session: int, delivery_id: int, fraction: float, note: str) -> None:
        asked = {
            "operation": "deliveries.progress",
            "channel": session,
            "delivery_tag": delivery_id,
            "permille": round(fraction * 1000),
            "note": note,
        }
        self.desk.send(Target(address=_MANAGEMENT), [b"\x00Su" + encode(msgspec.json.encode(asked))], "")

    def stats(self, queue: str) -> Steps[QueueStats]:
        return questions.stats(self._ask, queue)

    def move(self, source: str, target: str | None, most: int) -> Steps[int] | None:
        return questions.move(self._ask, source, target, most)

    def _ask(self, request: Mapping[str, object]) -> Steps[dict[str, object]]:
        """Send a management request; returns its answer. Raises the error in the answer."""
        sections = yield from wait_for(self.desk.ask(Target(address=_MANAGEMENT), msgspec.json.encode(request)))
        return questions.answer_in(_body(sections.body_values()))

    def manage(self, request: Message) -> Steps[Message]:
        sections = yield from wait_for(self.desk.ask(Target(address=_MANAGEMENT), request.body))
        return received_message(_body(sections.body_values()), EMPTY)


def _renewal(session: int, delivery_id: int, seconds: float) -> dict[str, object]:
    return {
        "operation": "deliveries.renew",
        "channel": session,
        "delivery_tag": delivery_id,
        "milliseconds": _milliseconds(seconds),
    }


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _body(values: list[object]) -> bytes:
    return b"".join(value for value in values if isinstance(value, bytes))
