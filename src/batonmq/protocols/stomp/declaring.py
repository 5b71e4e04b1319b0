"""The queues behind destinations: missing ones are declared as the frame's headers say."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from contextlib import nullcontext
from dataclasses import replace
from hashlib import blake2b
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Final

from batonmq.broker.model.arguments import ARGUMENTS
from batonmq.broker.model.declared import require_equivalent
from batonmq.errors import NotFound, PreconditionFailed
from batonmq.fields import LongLong
from batonmq.protocols.sessions.customs import CustomaryQueues
from batonmq.protocols.sessions.topics import TOPIC_EXCHANGE, has_subscribers
from batonmq.protocols.stomp.destinations import (
    EXCHANGE,
    QUEUE,
    TEMPORARY,
    Destination,
    no_destination,
)
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.headers import flag, integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.broker import Operations, Queue
    from batonmq.fields import FieldValue
    from batonmq.protocols.stomp.terms import Terms

__all__ = ["Declaring", "arguments_of", "durable_name"]

# How the queues of subscriptions to topics and exchanges are named, in RabbitMQ as well: rights are given for it.
SUBSCRIPTION_PREFIX: Final = "stomp-subscription-"
# Names of a durable subscription to a topic: Artemis' two and ActiveMQ's.
SUBSCRIPTION_NAMES: Final = ("durable-subscription-name", "durable-subscriber-name", "activemq.subscriptionName")


def arguments_of(headers: Mapping[str, str]) -> dict[str, FieldValue]:
    """The arguments of a queue among a frame's headers. Raises StompFailure."""
    found: dict[str, FieldValue] = {}
    for name, value in headers.items():
        argument = ARGUMENTS.get(name)
        if argument is None:
            continue
        if argument.kind is str:
            found[name] = value
        elif argument.kind is bool:
            found[name] = flag(value)
        elif argument.kind is float:
            try:
                found[name] = float(value)
            except ValueError:
                raise StompFailure("Invalid header", f"header '{name}' must be a number and is '{value}'") from None
        else:
            found[name] = LongLong(integer(name, value))
    return found


def durable_name(destination: Destination, headers: Mapping[str, str], client_id: str) -> str:
    """The queue of a durable subscription that the headers ask for; "": they ask for none. Raises StompFailure."""
    for header in SUBSCRIPTION_NAMES:
        if name := headers.get(header):
            return f"{client_id}.{name}" if client_id else name
    if not (flag(headers.get("durable")) or flag(headers.get("persistent"))):
        return ""
    if name := headers.get("x-queue-name"):
        return name
    if "id" not in headers:
        raise StompFailure("Missing Header", "Header 'id' is required for durable subscriptions", bare=True)
    known = f"{destination.exchange}\0{destination.routing_key}\0{headers['id']}"
    digest = blake2b(known.encode(errors="surrogateescape"), digest_size=16).digest()
    return SUBSCRIPTION_PREFIX + urlsafe_b64encode(digest).decode().rstrip("=")


class Declaring:
    """Declares queues for one connection, and knows its temporary ones."""

    __slots__ = ("_client_id", "_customary", "_dialect", "_operations", "_temporary", "_vhost")

    def __init__(self, terms: Terms, operations: Operations) -> None:
        self._dialect = terms.dialect
        self._client_id = terms.client_id
        self._customary = CustomaryQueues(terms.dialect.customs, operations)
        self._operations = operations
        self._vhost = operations.vhost
        # Their names, by the client's names.
        self._temporary: dict[str, str] = {}

    def for_subscription(self, destination: Destination, headers: Mapping[str, str]) -> tuple[Queue, str]:
        """The queue for a SUBSCRIBE, and its name if it belongs to a durable subscription.

        Raises StompFailure, BrokerError.
        """
        if destination.kind == QUEUE:
            name, address = destination.routing_key, destination.address
            return self.readable_queue(name, headers, address=address, ignored=("x-consumer-timeout",)), ""
        if destination.kind == EXCHANGE:
            return self._subscription_queue(destination, headers)
        name = destination.routing_key
        if destination.kind == TEMPORARY:
            if not self._dialect.temp_queues_are_destinations:
                raise no_destination(destination.text, "SUBSCRIBE")
            name = self.temporary_queue(name)
        return self._operations.find_queue(name), ""

    def resolved(self, destination: Destination) -> Destination:
        """The destination for a name that may be that of a queue or a topic."""
        vhost = self._vhost
        if not destination.may_be_topic or destination.routing_key in vhost.queues:
            return destination
        if not has_subscribers(vhost, destination.routing_key):
            return destination
        return replace(destination, kind=EXCHANGE, exchange=TOPIC_EXCHANGE)

    def readable_queue(
        self, name: str, headers: Mapping[str, str], *, address: str = "", ignored: tuple[str, ...] = ()
    ) -> Queue:
        """A queue to receive from, declared if missing. Raises BrokerError."""
        return self._shared_queue(name, headers, self._operations.require_readable, address, ignored)

    def writable_queue(self, name: str, headers: Mapping[str, str], *, address: str = "") -> Queue:
        """A queue to send to, declared if missing. Raises BrokerError."""

        def find(name: str) -> Queue:
            # A user without the right must not learn what exists.
            self._operations.resolve("", name)
            return self._operations.find_queue(name)

        return self._shared_queue(name, headers, find, address, ())

    def _shared_queue(
        self,
        name: str,
        headers: Mapping[str, str],
        find: Callable[[str], Queue],
        address: str,
        ignored: tuple[str, ...],
    ) -> Queue:
        """A queue, declared if missing. Raises BrokerError if it differs from the headers.

        Only options in the headers are compared. ``address`` is the topic of which it gets a copy. ``find`` checks the
        right first, so that none is left behind that its maker could not use.
        """
        operations = self._operations
        arguments = {key: value for key, value in arguments_of(headers).items() if key not in ignored}
        try:
            queue = find(name)
        except NotFound:
            durable = headers.get("durable") is None or flag(headers.get("durable"))
            if flag(headers.get("activemq.exclusive")):
                # ActiveMQ's exclusive consumer: the others stand by. A queue that is there stays as it is.
                arguments.setdefault("x-single-active-consumer", True)
            # As in RabbitMQ: a queue that is not durable is exclusive, unless the headers say otherwise.
            queue = operations.declare_queue(
                name,
                durable=durable,
                exclusive=flag(headers.get("exclusive", str(not durable))),
                auto_delete=flag(headers.get("auto-delete", str(not durable))),
                arguments=arguments,
                defaults=self._customary.defaults(name, arguments),
            )
            with operations.taken_back_if_refused(queue):
                self._customary.complete(queue, address)
            return queue
        self._customary.complete(queue, address)
        described = f"queue '{name}' in vhost '{self._vhost.name}'"
        for header, current in (
            ("durable", queue.durable),
            ("exclusive", queue.exclusive),
            ("auto-delete", queue.auto_delete),
        ):
            if header in headers and flag(headers[header]) != current:
                raise PreconditionFailed(
                    f"inequivalent arg '{header.replace('-', '_')}' for {described}:"
                    f" received '{headers[header]}' but current is '{str(current).lower()}'"
                )
        require_equivalent(queue.arguments, arguments, described, tuple(arguments))
        queue.used()
        return queue

    # ------------------------------------------------------------------ queues of subscriptions and connections

    def _subscription_queue(self, destination: Destination, headers: Mapping[str, str]) -> tuple[Queue, str]:
        operations = self._operations
        # Leave nothing behind if the exchange is missing.
        operations.find_exchange(destination.exchange)
        durable = durable_name(destination, headers, self._client_id)
        name = durable or headers.get("x-queue-name") or SUBSCRIPTION_PREFIX + token_urlsafe(16)
        arguments = arguments_of(headers)
        arguments.pop("x-consumer-timeout", None)
        own = str(not durable)
        is_new = name not in self._vhost.queues
        queue = operations.declare_queue(
            name,
            durable=bool(durable),
            exclusive=flag(headers.get("exclusive", own)),
            auto_delete=flag(headers.get("auto-delete", own)),
            arguments=arguments,
            defaults=self._customary.defaults(name, arguments),
        )
        with operations.taken_back_if_refused(queue) if is_new else nullcontext():
            operations.require_readable(queue.name)
            self._customary.complete(queue)
            operations.bind_queue(queue.name, destination.exchange, destination.routing_key, {})
        return queue, durable

    def temporary_queue(self, own_name: str) -> str:
        """The name of the queue for a client's temporary name, declared on first use. Raises BrokerError."""
        name = self._temporary.get(own_name)
        if name is None or name not in self._vhost.queues:
            name = self._temporary[own_name] = self._operations.declare_queue("", exclusive=True).name
        return name
