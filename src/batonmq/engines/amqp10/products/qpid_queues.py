"""Queues of Qpid Broker-J: created, looked up and changed by requests to its node ``$management``.

A request has the operation, type, arguments and path of the object in its application-properties, and a map of
attributes as its body; the answer has an HTTP status. The node is part of the AMQP management plugin in the broker's
distribution.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from batonmq.engines.amqp10.products.desk import Desk
from batonmq.engines.figures import QueueStats
from batonmq.engines.steps import Steps, wait_for
from batonmq.engines.values import QueueOptions
from batonmq.errors import AccessRefused, BatonError, BrokerError, NotFound, PreconditionFailed, UnsupportedFeature
from batonmq.protocols.amqp10.codec.performatives import Target
from batonmq.protocols.amqp10.codec.values import Long

__all__ = ["QpidQueues", "Rules", "attributes_of"]

_MANAGEMENT: Final = Target(address="$management")
_QUEUE: Final = "org.apache.qpid.Queue"
# The types of objects that may have an alternate queue.
_BOUND: Final = (_QUEUE, "org.apache.qpid.Exchange")
_QUERY: Final[Mapping[str, object]] = {"operation": "QUERY", "type": "org.amqp.management", "identity": "self"}
_RESERVED: Final = ("amq.", "qpid.", "$", "!")
# The levels of AMQP 1.0 (part 3 §3.2.1).
_HIGHEST: Final = 9
_NONE: Final[Mapping[str, object]] = {}
# The statistics of a queue.
_STATISTICS: Final = (
    "availableMessages",
    "availableBytes",
    "unacknowledgedMessages",
    "consumerCount",
    "oldestMessageAge",
    "totalEnqueuedMessages",
    "totalDequeuedMessages",
)
# Names of attributes.
_DEAD: Final = "alternateBinding"
_ATTEMPTS: Final = "maximumDeliveryAttempts"
_LENGTH: Final = "maximumQueueDepthMessages"
_OVERFLOW: Final = "overflowPolicy"
_TTL: Final = "maximumMessageTtl"
_TYPE: Final = "qpid-type"
_LEAST_TTL: Final = "minimumMessageTtl"
# A hundred years in milliseconds. Expired messages do not enter a queue where they would be expired as well, so nothing
# may expire in dead letter queues.
_FOR_EVER: Final = Long(100 * 365 * 24 * 3600 * 1000)
_KINDS: Final[dict[int, type[BrokerError]]] = {
    400: PreconditionFailed,
    403: AccessRefused,
    404: NotFound,
    409: PreconditionFailed,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The dead letter rules of a queue."""

    dead_letter: str | None = None
    max_deliveries: int | None = None


class QpidQueues:
    """The queues of one virtual host."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rules: dict[str, Rules] = {}

    def known(self, queue: str) -> Rules | None:
        """The queue's rules when it was last looked up or declared."""
        return self._rules.get(queue)

    # ------------------------------------------------------------------ looking

    def look_up(self, queue: str) -> Steps[dict[str, object]]:
        """The queue's attributes that differ from the defaults. NotFound, AccessRefused."""
        try:
            found = _as_map((yield from self._operate("READ", queue)))
        except NotFound:
            self._rules.pop(queue, None)
            raise NotFound(f"no queue '{queue}'") from None
        self._rules[queue] = Rules(_dead_letter(found), _number(found.get(_ATTEMPTS)))
        return found

    def stats(self, queue: str) -> Steps[QueueStats]:
        """The queue's statistics. NotFound."""
        try:
            found = _as_map((yield from self._operate("getStatistics", queue, statistics=json.dumps(_STATISTICS))))
        except NotFound:
            raise NotFound(f"no queue '{queue}'") from None
        figures = [_number(found.get(name)) or 0 for name in _STATISTICS]
        ready, size, held, consumers, age, entered, left = figures
        return QueueStats(
            ready=ready,
            bytes=size,
            held=held,
            consumers=consumers,
            oldest=age / 1000 if ready else None,
            entered=entered,
            accepted=left,
        )

    def names(self) -> Steps[list[str]]:
        """List all queues except the broker's own."""
        asked = {"attributeNames": ["name"]}
        found = _as_map((yield from self._ask({**_QUERY, "entityType": _QUEUE}, asked, "QUERY")))
        rows = found.get("results")
        names = [str(row[0]) for row in (rows if isinstance(rows, list) else []) if row]
        return sorted(name for name in names if not name.startswith(_RESERVED))

    # ------------------------------------------------------------------ declaring

    def declare(self, queue: str, options: QueueOptions) -> Steps[None]:
        """Create a queue and its dead letter queue. PreconditionFailed, AccessRefused, UnsupportedFeature."""
        attributes = attributes_of(queue, options)
        try:
            there = yield from self.look_up(queue)
        except NotFound:
            pass
        else:
            _compare(queue, attributes, there)
            return
        dead = options.dead_letter
        is_new = False
        if dead is not None and dead != queue:
            attributes_of_dead = attributes_of(dead, QueueOptions(durable=options.durable))
            is_new = yield from self._make(dead, {**attributes_of_dead, _LEAST_TTL: _FOR_EVER})
        try:
            if not (yield from self._make(queue, attributes)):
                # Somebody else was faster.
                _compare(queue, attributes, (yield from self.look_up(queue)))
        except BatonError:
            if is_new and dead is not None:
                yield from self.delete(dead)
            raise
        self._rules[queue] = Rules(dead, options.max_deliveries)

    def _make(self, queue: str, attributes: Mapping[str, object]) -> Steps[bool]:
        """Create a queue; False: it exists."""
        try:
            yield from self._operate("CREATE", None, {"name": queue, "object-path": queue, **attributes})
        except PreconditionFailed:
            try:
                yield from self.look_up(queue)
            except NotFound:
                pass
            else:
                return False
            raise
        return True

    def delete(self, queue: str) -> Steps[None]:
        """Delete a queue with its messages. A missing queue counts as deleted. PreconditionFailed, AccessRefused."""
        try:
            yield from self.look_up(queue)
            for sources in _BOUND:
                yield from self._check_unbound(queue, sources)
            # Messages left in it would become dead letters.
            yield from self._operate("clearQueue", queue)
            yield from self._operate("DELETE", queue)
        except NotFound:
            pass
        self._rules.pop(queue, None)

    def _check_unbound(self, queue: str, sources: str) -> Steps[None]:
        """PreconditionFailed if it is a dead letter queue of something: the broker would not delete it."""
        asked = {"attributeNames": ["name", _DEAD]}
        found = _as_map((yield from self._ask({**_QUERY, "entityType": sources}, asked, "QUERY")))
        rows = found.get("results")
        for row in rows if isinstance(rows, list) else []:
            if len(row) == 2 and _dead_letter({_DEAD: row[1]}) == queue:
                raise PreconditionFailed(f"queue '{queue}' is there for the dead letters of '{row[0]}'")

    # ------------------------------------------------------------------ requests

    def _operate(
        self, operation: str, queue: str | None, attributes: Mapping[str, object] = _NONE, **arguments: str
    ) -> Steps[object]:
        """Send a request about a queue; returns the answer. NotFound, PreconditionFailed, AccessRefused, BrokerError.

        ``arguments`` are those of one of Broker-J's operations, each as JSON.
        """
        application = {"operation": operation, "type": _QUEUE, **arguments}
        if queue is None:
            return self._ask(application, attributes, operation)
        return self._ask(
            {**application, "index": "object-path", "key": queue}, attributes, f"queue '{queue}': {operation}"
        )

    def _ask(self, application: Mapping[str, object], body: Mapping[str, object], what: str) -> Steps[object]:
        """``what``: the object, for error texts."""
        try:
            answer = yield from wait_for(self._desk.ask(_MANAGEMENT, dict(body), application=application))
        except NotFound:
            text = "the broker has no node $management: its plugin for AMQP management is not there"
            raise UnsupportedFeature(f"qpid: {text}") from None
        told = {str(name): value for name, value in answer.application_properties().items()}
        status = _number(told.get("statusCode")) or 0
        if not 200 <= status < 300:
            raise _KINDS.get(status, BrokerError)(f"{what}: {told.get('statusDescription') or f'status {status}'}")
        values = answer.body_values()
        return values[0] if values else None


# Attributes, with the option for each, and the default value.
_OPTIONS: Final[Mapping[str, tuple[str, object]]] = {
    "durable": ("durable", False),
    _ATTEMPTS: ("max_deliveries", 0),
    _DEAD: ("dead_letter", None),
    _TTL: ("ttl", 0),
    _LENGTH: ("max_length", -1),
    _OVERFLOW: ("overflow", "NONE"),
    _TYPE: ("max_priority", "standard"),
}


def attributes_of(queue: str, options: QueueOptions) -> dict[str, object]:
    """The attributes for creating a queue. Raises AccessRefused, UnsupportedFeature."""
    for name in filter(None, (queue, options.dead_letter)):
        if name.startswith(_RESERVED):
            raise AccessRefused(f"queue name '{name}' is reserved")
        if "/" in name:
            # In an address, the part before a slash would be an exchange.
            raise UnsupportedFeature(f"qpid: '/' in the name of a queue: '{name}'")
    if options.max_bytes is not None:
        raise UnsupportedFeature("qpid: declare(max_bytes=): it counts headers as well, not bodies alone")
    if options.max_priority > _HIGHEST:
        raise UnsupportedFeature(f"qpid: declare(max_priority={options.max_priority}): its highest is {_HIGHEST}")
    # A group belongs to the receiver of its first message, until that receiver is gone.
    found: dict[str, object] = {"durable": options.durable, "messageGroupType": "STANDARD"}
    if options.max_deliveries is not None:
        found[_ATTEMPTS] = options.max_deliveries
    if options.dead_letter is not None:
        found |= {_DEAD: {"destination": options.dead_letter}, "expiryPolicy": "ROUTE_TO_ALTERNATE"}
    if options.ttl is not None:
        found[_TTL] = max(1, round(options.ttl * 1000))
    if options.max_priority:
        found |= {_TYPE: "priority", "priorities": _HIGHEST + 1}
    if options.max_length is not None:
        if options.max_length == 0:
            raise UnsupportedFeature("qpid: declare(max_length=0)")
        if options.overflow != "refuse" and options.dead_letter is not None:
            text = "what a full queue pushes out is no dead letter there; overflow='refuse' does with dead_letter"
            raise UnsupportedFeature(f"qpid: declare(max_length=, dead_letter=): {text}")
        found[_LENGTH] = options.max_length
        found[_OVERFLOW] = "REJECT" if options.overflow == "refuse" else "RING"
    return found


def _compare(queue: str, attributes: Mapping[str, object], there: Mapping[str, object]) -> None:
    """Raises PreconditionFailed for the first option that differs from the existing queue."""
    for attribute, (option, absent) in _OPTIONS.items():
        now, asked = there.get(attribute, absent), attributes.get(attribute, absent)
        if now != asked:
            text = f"{option} is {_shown(attribute, now)} there, and {_shown(attribute, asked)} was asked for"
            raise PreconditionFailed(f"queue '{queue}' is there, declared otherwise: {text}")


def _shown(attribute: str, value: object) -> object:
    """The attribute in the option's terms."""
    if value == _OPTIONS[attribute][1] and attribute != "durable":
        return 0 if attribute == _TYPE else None
    if attribute == _DEAD:
        return _dead_letter({_DEAD: value})
    if attribute == _OVERFLOW:
        return {"REJECT": "refuse", "RING": "drop-oldest"}.get(str(value), value)
    if attribute == _TYPE:
        return _HIGHEST if value == "priority" else value
    return f"{value / 1000:g}" if attribute == _TTL and isinstance(value, int) else value


def _dead_letter(attributes: Mapping[str, object]) -> str | None:
    binding = attributes.get(_DEAD)
    found = binding.get("destination") if isinstance(binding, Mapping) else None
    return found if isinstance(found, str) else None


def _number(value: object) -> int | None:
    """A number above zero."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _as_map(value: object) -> dict[str, object]:
    return {str(name): one for name, one in value.items()} if isinstance(value, Mapping) else {}
