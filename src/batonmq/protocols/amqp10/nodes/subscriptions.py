"""Subscriptions: queues that get copies of the messages to a topic, or to an exchange.

Usually one belongs to its link and is deleted with it. A durable one has a name, from the client's container-id and the
link's name, and stays until its client closes the link for good; a shared one belongs to all links that name it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.errors import NotFound, PreconditionFailed, ResourceLocked
from batonmq.fields import LongLong
from batonmq.protocols.amqp10.nodes.lifetimes import lifetimes_of
from batonmq.protocols.amqp10.nodes.termini import ON_NO_LINKS, is_durable, seconds_of
from batonmq.protocols.sessions.customs import CustomaryQueues
from batonmq.protocols.sessions.topics import TOPIC_EXCHANGE

if TYPE_CHECKING:
    from batonmq.broker import Operations, Queue
    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp10.codec.performatives import Source
    from batonmq.protocols.amqp10.nodes.addresses import Address
    from batonmq.protocols.amqp10.nodes.filters import Filters
    from batonmq.protocols.amqp10.terms import Terms

__all__ = ["GLOBAL", "SHARED", "Subscriptions"]

# Capabilities of a source (Qpid JMS, Artemis): several links share a subscription; with global, across containers.
SHARED: Final = "shared"
GLOBAL: Final = "global"
# The part of a link's name after this distinguishes links of one subscription.
DELIMITER: Final = "|"

# An argument of a subscription's queue that identifies the subscription.
ADDRESS: Final = "x-subscription-address"
# The argument with its selector, so that only matching messages are stored.
SELECTOR: Final = "x-selector"


class Subscriptions:
    """Creates and finds the subscriptions of one connection."""

    __slots__ = ("_container_id", "_customary", "_operations")

    def __init__(self, terms: Terms, operations: Operations) -> None:
        self._container_id = terms.container_id
        self._customary = CustomaryQueues(terms.dialect.customs, operations)
        self._operations = operations

    def name(self, link: str, capabilities: tuple[str, ...], *, is_volatile: bool) -> str:
        """The name of the queue of a subscription that outlives a link of this name, or has several links."""
        is_global = GLOBAL in capabilities
        if SHARED in capabilities:
            link = link.partition(DELIMITER)[0]
        name = link if is_global else f"{self._container_id}.{link}"
        if SHARED in capabilities:
            name += ":shared-volatile" if is_volatile else ""
            name += ":global" if is_global else ""
        return name

    def open(
        self,
        address: Address,
        source: Source,
        link: str,
        filters: Filters,
        capabilities: tuple[str, ...],
        arguments: dict[str, FieldValue],
    ) -> tuple[Queue, bool]:
        """Create or find the queue for a source, which the user may read; and does it outlive the link?

        Raises BrokerError, and leaves nothing behind then.
        """
        if address.exchange != TOPIC_EXCHANGE:
            # Leave nothing behind if the exchange is missing.
            self._operations.find_exchange(address.exchange)
        is_lasting, seconds = is_durable(source), seconds_of(source)
        if filters.selector is not None:
            arguments = {**arguments, SELECTOR: filters.selector.text}
        if is_lasting or seconds or SHARED in capabilities:
            name = self.name(link, capabilities, is_volatile=not is_lasting)
            if seconds and not is_lasting:
                arguments = {**arguments, "x-expires": LongLong(seconds * 1000)}
            queue = self._named(name, address, arguments, is_lasting=is_lasting)
            lifetimes = lifetimes_of(self._operations.vhost)
            if not is_lasting and not seconds and not lifetimes.has(name):
                lifetimes.add(name, ON_NO_LINKS, has_creator=False)
            return queue, True
        queue = self._operations.declare_queue("", exclusive=True, auto_delete=True, arguments=arguments)
        with self._operations.taken_back_if_refused(queue):
            self._operations.require_readable(queue.name)
            self._bind(queue, address)
        return queue, False

    def find(self, link: str, capabilities: tuple[str, ...]) -> Queue | None:
        """The durable subscription that a link without a source asks for; None: there is none of that name.

        Raises ResourceLocked.
        """
        for found in (capabilities, (*capabilities, SHARED)):
            name = self.name(link, found, is_volatile=False)
            if name in self._operations.vhost.queues:
                return self._operations.find_queue(name)
        return None

    def end(self, name: str) -> None:
        """Delete a subscription whose client has closed the link for good, unless others use it. Raises BrokerError."""
        queue = self._operations.vhost.queues.get(name)
        if queue is not None and not queue.consumers:
            self._operations.delete_queue(name)

    # ------------------------------------------------------------------ those with a name

    def _named(self, name: str, address: Address, arguments: dict[str, FieldValue], *, is_lasting: bool) -> Queue:
        operations = self._operations
        arguments = {**arguments, ADDRESS: address.text}
        defaults = self._customary.defaults(name, arguments)
        try:
            # First of all: without the right to read, none is left behind, and no earlier one gives way.
            queue = operations.require_readable(name)
        except NotFound:
            pass
        else:
            if self._is_of(queue, address, arguments.get(SELECTOR)):
                queue.used()
                return queue
            # All that may be refused is asked before: its messages go with it.
            operations.require_new_queue(name, durable=is_lasting, arguments=arguments, defaults=defaults)
            operations.require_bindable(name, address.exchange, address.routing_key or "")
            self._give_way(queue)
        queue = operations.declare_queue(name, durable=is_lasting, arguments=arguments, defaults=defaults)
        with operations.taken_back_if_refused(queue):
            self._customary.complete(queue)
            self._bind(queue, address)
        return queue

    def _bind(self, queue: Queue, address: Address) -> None:
        self._operations.bind_queue(queue.name, address.exchange, address.routing_key or "", {})

    def _is_of(self, queue: Queue, address: Address, selector: FieldValue) -> bool:
        """Is it the queue of this subscription, and not of an earlier one with the same name?"""
        router = self._operations.vhost.router
        exchange = router.exchange(address.exchange)
        key = address.routing_key or ""
        if exchange is None or router.find_binding(exchange, queue, key, {}) is None:
            return False
        return queue.arguments.get(SELECTOR) == selector

    def _give_way(self, queue: Queue) -> None:
        """Delete an earlier subscription that has the name of a new, different one (JMS 2.0 §8.3.3)."""
        described = f"subscription '{queue.name}' in vhost '{self._operations.vhost.name}'"
        if ADDRESS not in queue.arguments:
            raise PreconditionFailed(f"queue '{queue.name}' is not the one of this subscription")
        if queue.consumers:
            raise ResourceLocked(f"{described} is to another address, or has another selector, and is in use")
        self._operations.delete_queue(queue.name)
