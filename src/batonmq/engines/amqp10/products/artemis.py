"""Apache Artemis: what the specification leaves open is done by capabilities and annotations, the rest by management.

A queue is an anycast queue on an address of its name. Each terminus has the capability ``queue``: without it Artemis
makes a missing address multicast, and drops what it has accepted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from batonmq.engines.amqp10.products.artemis_queues import ArtemisQueues, Rules, check_declare
from batonmq.engines.amqp10.products.base import Copy, Count, Held, Product, Settlement
from batonmq.engines.amqp10.products.copies import copied
from batonmq.engines.amqp10.products.desk import Desk
from batonmq.engines.death_headers import REASON
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.interface import How
from batonmq.engines.messages import Message, received_message
from batonmq.engines.steps import Steps
from batonmq.engines.values import Capabilities, Fate, QueueOptions
from batonmq.errors import NotFound
from batonmq.fields import FieldValue
from batonmq.protocols.amqp10.codec.performatives import Source, Target
from batonmq.protocols.amqp10.codec.values import Long, Symbol, UInt

__all__ = ["ArtemisProduct"]

_QUEUE: Final = Symbol("queue")
# The deliveries of a message before it was copied: Artemis counts only those of the copy.
_DELIVERIES: Final = "x-opt-batonmq-deliveries"
_DELIVERIES_RAW: Final = _DELIVERIES.encode()
_TIME: Final = "x-opt-delivery-time"
_DELAY: Final = "x-opt-delivery-delay"
# Hidden annotations: instructions to the broker, in the terms of either protocol.
_HIDDEN: Final = frozenset({_DELIVERIES, _TIME, _DELAY, "x-deliver-at"})
_HIDDEN_RAW: Final = b"x-opt-"
# Annotations that Artemis adds to a message that it moves to another queue, such as a dead letter.
_MOVED: Final = "x-opt-ORIG-"
_MOVED_FROM: Final = f"{_MOVED}QUEUE"
# Messages with smaller bodies are not "large" for Artemis (amqpMinLargeMessageSize, 102,400).
_LARGE: Final = 64 * 1024
# By this property Artemis detects and drops a message that was sent twice. A copy must not have it.
_DUPLICATE: Final = "_AMQ_DUPL_ID"


class ArtemisProduct(Product):
    """Artemis, tried with 2.56."""

    engine_name = "artemis"
    names = ("Artemis",)
    keeps_payloads = True

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._queues = ArtemisQueues(desk)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            engine=self.engine_name,
            durable=True,
            delay=True,
            release_delay=True,
            ttl=True,
            priority=True,
            group=True,
            max_deliveries=True,
            dead_letter=True,
            max_length=True,
            single_consumer=True,
            reject_reason=True,
            request=True,
            transactions=True,
            peek=True,
            count=True,
            purge=True,
            replay=True,
            replay_home=True,
            queues=True,
            stats=True,
            until_empty=True,
            atomic_replay=True,
        )

    @property
    def system(self) -> str:
        return "artemis"

    # ------------------------------------------------------------------ addresses

    def target(self, queue: str) -> Target:
        return Target(address=queue, capabilities=[_QUEUE])

    def source(self, queue: str) -> Source:
        return Source(address=queue, capabilities=[_QUEUE])

    # ------------------------------------------------------------------ queues

    def check_declare(self, queue: str, options: QueueOptions) -> None:
        check_declare(queue, options)

    def declare(self, queue: str, options: QueueOptions) -> Steps[None]:
        return self._queues.declare(queue, options)

    def delete(self, queue: str) -> Steps[None]:
        return self._queues.delete(queue)

    def queues(self) -> Steps[list[QueueInfo]]:
        return [QueueInfo(name) for name in (yield from self._queues.names())]

    def stats(self, queue: str) -> Steps[QueueStats]:
        found = yield from self._queues.find(queue)
        if found is None:
            raise NotFound(f"no queue '{queue}'")
        return found.stats

    def origin(self, message: Message) -> str | None:
        moved_from = message.headers.get(_MOVED_FROM)
        return str(moved_from) if isinstance(moved_from, str) else super().origin(message)

    def require(self, queue: str) -> Steps[None]:
        return self._queues.require(queue)

    def require_reply(self, reply_to: str) -> Steps[None]:
        # Otherwise it would be created, with no receiver.
        if (yield from self._queues.find(reply_to)) is None:
            raise NotFound(f"nobody waits for a reply at '{reply_to}'")

    def fate(self, queue: str) -> Fate | None:
        rules = self._queues.known(queue)
        return None if rules is None else Fate(rules.dead_letter, rules.max_deliveries)

    def is_drained(self, queue: str) -> Steps[bool]:
        # Artemis may answer before it has begun to deliver: with 3,000 messages ready, 2 of 360 drains of 100 returned
        # none.
        return not (yield from self.count(queue))

    def count(self, queue: str) -> Steps[int]:
        found = yield from self._queues.find(queue)
        if found is None:
            raise NotFound(f"no queue '{queue}'")
        return found.ready

    # ------------------------------------------------------------------ messages

    def delay_annotations(self, seconds: float) -> dict[str, object]:
        return {_TIME: Long(_at(seconds))}

    def is_delay_header(self, name: str) -> bool:
        return name in (_TIME, _DELAY)

    def count_of(self, message: Message, failures: int, first_acquirer: bool) -> Count:
        before = _carried(message)
        # Released messages are counted exactly, but returns after a lost connection only sometimes. For large messages
        # Artemis does not reveal the count.
        is_exact = failures > 0 or len(message.body) < _LARGE
        return Count(before + failures + 1, before > 0 or failures > 0 or not first_acquirer, is_exact=is_exact)

    def shown(self, message: Message) -> Message:
        properties = message.properties
        if _HIDDEN_RAW not in properties.raw:
            return message
        headers = {name: value for name, value in (properties.headers or {}).items() if name not in _HIDDEN}
        return received_message(message.body, properties.replace(headers=headers or None))

    def is_worn_out(self, queue: str, deliveries: int) -> bool:
        most = self._rules(queue).max_deliveries
        return most is not None and deliveries > most

    def settlement(self, held: Held, how: How, reason: str, delay: float | None) -> Settlement:
        rules = self._rules(held.queue)
        if how == "release":
            most = rules.max_deliveries
            is_last = most is not None and held.deliveries >= most
            # Artemis enforces the limit itself for a message that was never copied.
            if is_last and (delay or _DELIVERIES_RAW in held.payload):
                return self._dead(held, rules, "")
            if delay:
                annotations = {_TIME: Long(_at(delay)), _DELIVERIES: UInt(held.deliveries)}
                payload = copied(held.payload, annotations=annotations, is_kept=_is_kept)
                return Settlement(copy=Copy(self.target(held.queue), payload, held.queue))
        if how == "reject" and reason:
            return self._dead(held, rules, reason)
        return super().settlement(held, how, reason, delay)

    def _dead(self, held: Held, rules: Rules, reason: str) -> Settlement:
        """Send a message to the dead letters ourselves: with a reason, or regardless of Artemis' count."""
        if rules.dead_letter is None:
            # Rejected: it goes to Artemis' dead letter address, or is dropped.
            return super().settlement(held, "reject", reason, None)
        origin = {f"{_MOVED}ADDRESS": held.queue, _MOVED_FROM: held.queue}
        headers = {REASON: reason} if reason else {}
        payload = copied(held.payload, annotations=origin, headers=headers, is_kept=_is_kept)
        return Settlement(copy=Copy(self.target(rules.dead_letter), payload, rules.dead_letter))

    def _rules(self, queue: str) -> Rules:
        return self._queues.known(queue) or Rules()


def _at(seconds: float) -> int:
    """The time that many seconds from now, in milliseconds of the epoch."""
    return round((time.time() + seconds) * 1000)


def _carried(message: Message) -> int:
    """How often it was delivered from this queue before it was copied; a moved message starts over."""
    if _DELIVERIES_RAW not in message.properties.raw:
        return 0
    headers: Mapping[str, FieldValue] = message.properties.headers or {}
    found = headers.get(_DELIVERIES)
    return found if isinstance(found, int) and _MOVED_FROM not in headers else 0


def _is_kept(name: str) -> bool:
    """Does a copy keep this annotation?"""
    return not name.startswith(_MOVED) and name not in (_TIME, _DELAY, _DELIVERIES, _DUPLICATE)
