"""Nodes: finds or declares the queues and exchanges for the termini of links (part 3 §3.5)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from batonmq.errors import AccessRefused, ResourceLocked
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Target
from batonmq.protocols.amqp10.failures import LinkFailure
from batonmq.protocols.amqp10.nodes.addresses import EXISTING, QUEUE, TOPIC, AddressError, parse_address
from batonmq.protocols.amqp10.nodes.dynamic_nodes import DynamicNodes, no_queue
from batonmq.protocols.amqp10.nodes.lifetimes import lifetimes_of
from batonmq.protocols.amqp10.nodes.named_queues import NamedQueues
from batonmq.protocols.amqp10.nodes.opened import OpenedSource, OpenedTarget
from batonmq.protocols.amqp10.nodes.resolving import Resolving
from batonmq.protocols.amqp10.nodes.sources import Sources
from batonmq.protocols.amqp10.nodes.subscriptions import Subscriptions
from batonmq.protocols.amqp10.nodes.termini import answered_target, arguments_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import Operations
    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp10.codec.performatives import Attach
    from batonmq.protocols.amqp10.nodes.addresses import Address
    from batonmq.protocols.amqp10.terms import Terms

__all__ = ["Nodes", "OpenedSource", "OpenedTarget"]

# Capabilities of a target that are supported on request.
_OF_TARGETS: Final = frozenset({"queue", "topic", "temporary-queue", "temporary-topic"})
# The most cached addresses: a publisher repeats the same few.
KNOWN_MAX: Final = 1024

_Opened = TypeVar("_Opened", OpenedSource, OpenedTarget)


class Nodes:
    """The nodes of one connection's links."""

    __slots__ = (
        "_dialect",
        "_dynamic",
        "_known",
        "_named",
        "_opened",
        "_operations",
        "_resolving",
        "_sources",
        "_subscriptions",
    )

    def __init__(self, terms: Terms, operations: Operations) -> None:
        self._dialect = terms.dialect
        self._operations = operations
        self._resolving = Resolving(terms.dialect, operations.vhost)
        self._named = NamedQueues(terms, operations)
        self._dynamic = DynamicNodes(terms, operations)
        self._subscriptions = Subscriptions(terms, operations)
        self._sources = Sources(terms, operations, self._resolving, self._named, self._dynamic, self._subscriptions)
        self._opened: dict[OpenedSource | OpenedTarget, None] = {}
        # Cached addresses of messages over anonymous links.
        self._known: dict[str, Address] = {}

    # ------------------------------------------------------------------ opening

    def open_target(self, attach: Attach) -> OpenedTarget:
        """Open the target of a client's sender. Raises LinkFailure, BrokerError, StoreError."""
        target = attach.target
        if not isinstance(target, Target):
            text = "a link over which the client sends needs a target"
            raise LinkFailure(conditions.INVALID_FIELD, text, {"invalid-field": "target"})
        return self._note(self._target(target, attach))

    def _target(self, target: Target, attach: Attach) -> OpenedTarget:
        if target.dynamic:
            return self._dynamic.target(target)
        if target.address is None:
            return OpenedTarget(answered_target(target), is_anonymous=True)
        address = self._resolving.resolved(target.address, target.capabilities or ())
        arguments = arguments_in(attach.properties)
        exchange, routing_key = self._destination(address, arguments)
        is_node = exchange == "" and lifetimes_of(self._operations.vhost).has(routing_key or "")
        return OpenedTarget(
            answered_target(target, capabilities=tuple(n for n in target.capabilities or () if n in _OF_TARGETS)),
            exchange,
            routing_key,
            address=address,
            arguments=arguments,
            accepts_unroutable=address.kind == TOPIC,
            node=routing_key or "" if is_node else "",
        )

    def _destination(self, address: Address, arguments: Mapping[str, FieldValue]) -> tuple[str, str | None]:
        """The exchange and key of an address; declares or checks the queue. Raises BrokerError."""
        if address.exchange == "":
            return "", self._named.to_write(address, arguments)
        self._operations.resolve(address.exchange, address.routing_key)
        return address.exchange, address.routing_key

    def declare_again(self, opened: OpenedTarget) -> None:
        """The queue of a target is gone: declare it again, if its address does so. Raises LinkFailure, BrokerError."""
        if opened.address is None or opened.address.kind != QUEUE:
            raise LinkFailure(conditions.RESOURCE_DELETED, f"queue '{opened.routing_key}' is gone")
        self._named.to_write(opened.address, opened.arguments)

    def open_source(self, attach: Attach) -> OpenedSource:
        """Open the source of a client's receiver. Raises LinkFailure, BrokerError, StoreError."""
        opened = self._sources.open(attach)
        # Direct replies have no queue.
        return opened if opened.is_reply else self._note(opened)

    def management_source(self, attach: Attach) -> OpenedSource:
        """The source of answers to requests, which are in no queue."""
        assert attach.source is not None
        return OpenedSource(no_queue(), attach.source, properties=attach.properties)

    def _note(self, opened: _Opened) -> _Opened:
        if opened.node:
            lifetimes_of(self._operations.vhost).attached(opened.node)
        self._opened[opened] = None
        return opened

    # ------------------------------------------------------------------ messages that tell where they go

    def address_of(self, to: str | None) -> tuple[str, str]:
        """Exchange and key of a message over an anonymous link, by its property to.

        Raises the errors of a link to the same address (anonterm-v1.0 §2.2): LinkFailure, BrokerError.
        """
        if to is None:
            raise self._bad_to("the link has no address, and the message no property to", conditions.NOT_FOUND)
        address = self._known.get(to)
        if address is None:
            address = self._understood(to)
        if address.may_be_topic:
            address = self._resolving.decided(address)
        name = address.routing_key or ""
        if address.exchange == "" and name not in self._operations.vhost.queues:
            if self._dialect.has_rabbitmq_to and address.kind == EXISTING:
                return "", name
            return "", self._named.to_write(address, {})
        return address.exchange, name

    def is_topic(self, to: str | None) -> bool:
        """Is an unroutable message accepted, as its address is a topic? Call it after ``address_of``."""
        address = self._known.get(to or "")
        return address is not None and self._resolving.decided(address).kind == TOPIC

    def _understood(self, to: str) -> Address:
        try:
            address = parse_address(to, self._dialect)
        except AddressError as error:
            raise self._bad_to(str(error), conditions.INVALID_FIELD) from None
        if address.routing_key is None:
            raise self._bad_to(f"'{to[:64]}' has no routing key", conditions.INVALID_FIELD)
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[to] = address
        return address

    def _bad_to(self, text: str, condition: str) -> LinkFailure:
        return LinkFailure(conditions.PRECONDITION_FAILED if self._dialect.has_rabbitmq_to else condition, text)

    # ------------------------------------------------------------------ the end

    def close(self, opened: OpenedSource | OpenedTarget, *, closed: bool) -> None:
        """A link is detached; ``closed``: its client has closed it, and ends its subscription or node, too."""
        if opened not in self._opened:
            return
        del self._opened[opened]
        vhost = self._operations.vhost
        if isinstance(opened, OpenedSource):
            if opened.subscription and closed:
                # Without the right to delete it, the subscription stays.
                with suppress(AccessRefused, ResourceLocked):
                    self._subscriptions.end(opened.subscription)
            if opened.ends_with_link:
                self._operations.take_back(opened.queue)
        if opened.node:
            lifetimes_of(vhost).detached(vhost, opened.node, is_creator=opened.is_creator)
            if opened.node not in vhost.queues:
                self._operations.forget_owned(opened.node)

    def release(self) -> None:
        """The connection ends, with all its links."""
        for opened in list(self._opened):
            self.close(opened, closed=False)
