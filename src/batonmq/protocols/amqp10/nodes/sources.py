"""Sources of links over which clients receive: queues, subscriptions and browsed queues (part 3 §3.5.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from batonmq.broker.model.settings import TIME_MAX
from batonmq.errors import NotFound
from batonmq.fields import LongLong
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Source
from batonmq.protocols.amqp10.codec.values import Described, Symbol
from batonmq.protocols.amqp10.failures import LinkFailure
from batonmq.protocols.amqp10.nodes.addresses import EXCHANGE, TOPIC, Address
from batonmq.protocols.amqp10.nodes.filters import Filters, read_filters
from batonmq.protocols.amqp10.nodes.lifetimes import lifetimes_of
from batonmq.protocols.amqp10.nodes.opened import OpenedSource
from batonmq.protocols.amqp10.nodes.subscriptions import ADDRESS, GLOBAL, SELECTOR, SHARED, Subscriptions
from batonmq.protocols.amqp10.nodes.termini import COPY, DURABLE, NEVER, answered_source, arguments_in, shown_filters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import Operations
    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp10.codec.composites import Fields
    from batonmq.protocols.amqp10.codec.performatives import Attach
    from batonmq.protocols.amqp10.nodes.dynamic_nodes import DynamicNodes
    from batonmq.protocols.amqp10.nodes.named_queues import NamedQueues
    from batonmq.protocols.amqp10.nodes.resolving import Resolving
    from batonmq.protocols.amqp10.terms import Terms

__all__ = ["Sources"]

# Capabilities of a source that are supported on request.
_IN_FORCE: Final = frozenset({"queue", "topic", "temporary-queue", "temporary-topic"})
_OF_SUBSCRIPTIONS: Final = _IN_FORCE | {SHARED, GLOBAL}
# The link properties for a consumer's priority: RabbitMQ's, and Artemis' and Qpid's.
_PRIORITIES: Final = ("rabbitmq:priority", "priority")
_EXCLUSIVE: Final = "exclusive"
_TIMEOUT: Final = "rabbitmq:consumer-timeout"
# The name under which our attach shows the selector of a subscription.
_SELECTOR_NAME: Final = Symbol("jms-selector")
_SELECTOR_CODE: Final = Symbol("apache.org:selector-filter:string")

_INT_MAX: Final = 2**31


@dataclass(frozen=True, slots=True)
class _Wishes:
    """The options of a consumer, from the properties of its link."""

    priority: int
    exclusive: bool
    arguments: Mapping[str, FieldValue]


class Sources:
    """Opens the sources of one connection."""

    __slots__ = ("_dialect", "_dynamic", "_named", "_operations", "_resolving", "_subscriptions")

    def __init__(
        self,
        terms: Terms,
        operations: Operations,
        resolving: Resolving,
        named: NamedQueues,
        dynamic: DynamicNodes,
        subscriptions: Subscriptions,
    ) -> None:
        self._dialect = terms.dialect
        self._operations = operations
        self._resolving = resolving
        self._named = named
        self._dynamic = dynamic
        self._subscriptions = subscriptions

    def open(self, attach: Attach) -> OpenedSource:
        """Raises LinkFailure, BrokerError, StoreError."""
        source = attach.source
        if source is None:
            return self._found(attach)
        wishes = _wishes(attach.properties)
        if source.dynamic:
            topic = self._dynamic.topic(source)
            if topic is not None:
                return self._subscribe(topic, source, attach, wishes, address=topic.text)
            # Before there is a node, which a link that is refused would leave behind.
            filters = read_filters(source.filter, is_topic=False)
            return _with(self._dynamic.source(source, attach.snd_settle_mode), filters, wishes)
        if source.address is None:
            text = "a link over which the client receives needs a source with an address"
            raise LinkFailure(conditions.INVALID_FIELD, text, {"invalid-field": "address"})
        address = self._resolving.resolved(source.address, source.capabilities or ())
        if address.kind not in (EXCHANGE, TOPIC):
            return self._consume(address, source, attach, wishes)
        if not self._dialect.subscribes_to_exchanges and address.text.startswith("/exchanges/"):
            text = f"'{address.text[:64]}' is no source: messages are received from queues"
            raise LinkFailure(conditions.INVALID_FIELD, text, {"invalid-field": "address"})
        return self._subscribe(address, source, attach, wishes)

    # ------------------------------------------------------------------ queues

    def _consume(self, address: Address, source: Source, attach: Attach, wishes: _Wishes) -> OpenedSource:
        filters = read_filters(source.filter, is_topic=False)
        queue = self._named.to_read(address, arguments_in(attach.properties))
        is_browsing = source.distribution_mode == COPY
        opened = OpenedSource(
            queue,
            answered_source(source, capabilities=_in_force(source, _IN_FORCE), is_browsing=is_browsing),
            is_browsing=is_browsing,
            default_outcome=source.default_outcome,
            node=queue.name if lifetimes_of(self._operations.vhost).has(queue.name) else "",
        )
        return _with(opened, filters, wishes)

    # ------------------------------------------------------------------ subscriptions

    def _subscribe(
        self, to: Address, source: Source, attach: Attach, wishes: _Wishes, *, address: str | None = None
    ) -> OpenedSource:
        """``address`` is that of a dynamic node."""
        filters = read_filters(source.filter, is_topic=True)
        capabilities = _in_force(source, _OF_SUBSCRIPTIONS)
        arguments = arguments_in(attach.properties)
        queue, has_name = self._subscriptions.open(to, source, attach.name, filters, capabilities, arguments)
        is_node = has_name and lifetimes_of(self._operations.vhost).has(queue.name)
        opened = OpenedSource(
            queue,
            answered_source(source, address=address, capabilities=capabilities),
            default_outcome=source.default_outcome,
            node=queue.name if is_node else "",
            subscription=queue.name if has_name and not is_node else "",
            ends_with_link=not has_name,
        )
        # Its queue accepts only matching messages anyway.
        return _with(opened, replace(filters, selector=None), wishes)

    def _found(self, attach: Attach) -> OpenedSource:
        """Find the durable subscription for a link without a source, which ends or resumes it.

        Qpid JMS does this to unsubscribe.
        """
        asked = tuple(name for name in attach.desired_capabilities or () if name in (SHARED, GLOBAL))
        queue = self._subscriptions.find(attach.name, asked)
        if queue is None:
            raise NotFound(f"there is no subscription '{attach.name}' of this container")
        self._operations.require_readable(queue.name)
        selector = queue.arguments.get(SELECTOR)
        source = Source(
            address=str(queue.arguments.get(ADDRESS, queue.name)),
            durable=DURABLE,
            expiry_policy=Symbol(NEVER),
            distribution_mode=Symbol(COPY),
        )
        in_force = {_SELECTOR_NAME: Described(_SELECTOR_CODE, selector)} if isinstance(selector, str) else {}
        opened = OpenedSource(queue, answered_source(source, capabilities=("topic", *asked)), subscription=queue.name)
        return _with(opened, Filters(in_force=in_force), _wishes(attach.properties))


def _in_force(source: Source, known: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in source.capabilities or () if name in known)


def _with(opened: OpenedSource, filters: Filters, wishes: _Wishes) -> OpenedSource:
    return replace(
        opened,
        source=replace(opened.source, filter=shown_filters(opened.source, filters.in_force)),
        selector=filters.selector,
        is_deaf=filters.is_deaf,
        priority=wishes.priority,
        exclusive=wishes.exclusive,
        arguments={**opened.arguments, **wishes.arguments},
    )


def _wishes(properties: Fields | None) -> _Wishes:
    """Raises LinkFailure."""
    known = cast("Mapping[object, object]", properties or {})
    priority = next((known[name] for name in _PRIORITIES if name in known), 0)
    exclusive = known.get(_EXCLUSIVE, False)
    if not isinstance(priority, int) or isinstance(priority, bool) or not -_INT_MAX <= priority < _INT_MAX:
        raise _invalid("the priority of a link is a whole number of 32 bits")
    if not isinstance(exclusive, bool):
        raise _invalid("whether a link is exclusive is a truth value")
    arguments: dict[str, FieldValue] = {}
    timeout = known.get(_TIMEOUT)
    if timeout is not None:
        if not isinstance(timeout, int) or isinstance(timeout, bool) or not 0 < timeout <= TIME_MAX:
            raise _invalid(f"{_TIMEOUT} is a number of milliseconds, 1 to {TIME_MAX}")
        arguments["x-consumer-timeout"] = LongLong(timeout)
    return _Wishes(int(priority), exclusive, arguments)


def _invalid(text: str) -> LinkFailure:
    return LinkFailure(conditions.INVALID_FIELD, text, {"invalid-field": "properties"})
