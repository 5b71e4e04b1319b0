"""basic.publish on one channel: routing, checks and returns (AMQP 0-9-1 §1.8.3.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker import KEPT, REFUSED
from batonmq.broker.features.publish_headers import asks, check_headers
from batonmq.broker.management.target import accepted_in
from batonmq.broker.operations.publishing import expiration_fault
from batonmq.broker.routing.carbon_copies import carbon_copies
from batonmq.broker.routing.direct_replies import REPLY_TO
from batonmq.broker.routing.router import needs_disk
from batonmq.errors import NotFound, ResourceError
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.constants import PUBLISH
from batonmq.protocols.amqp091.encoder import content_frames, method_frame
from batonmq.protocols.amqp091.failures import ProtocolFailure
from batonmq.protocols.amqp091.transaction import ACCEPT
from batonmq.protocols.sessions.unconfirmed import RUN_MOST

if TYPE_CHECKING:
    from batonmq.broker import Route
    from batonmq.broker.model.counters import ExchangeCounters
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.properties import Properties
    from batonmq.protocols.amqp091.confirms import Confirms
    from batonmq.protocols.amqp091.consumers import Consumers
    from batonmq.protocols.amqp091.methods import BasicPublish
    from batonmq.protocols.amqp091.open_connection import OpenConnection
    from batonmq.protocols.amqp091.parser import Event
    from batonmq.protocols.amqp091.transaction import Publish, Transaction
    from batonmq.protocols.sessions.counts import MessageCounts


class Publisher:
    """Takes the publishes of one channel."""

    __slots__ = (
        "_confirms",
        "_connection",
        "_consumers",
        "_counts",
        "_intake",
        "_method",
        "_number",
        "_route",
        "_router",
        "_transaction",
    )

    def __init__(
        self,
        number: int,
        connection: OpenConnection,
        confirms: Confirms,
        transaction: Transaction,
        consumers: Consumers,
        counts: MessageCounts,
    ) -> None:
        """``number`` is the channel's."""
        self._number = number
        self._connection = connection
        # Cached, as they are used with each run of publishes.
        self._intake = connection.link.intake
        self._router = connection.operations.vhost.router
        self._confirms = confirms
        self._transaction = transaction
        self._consumers = consumers
        self._counts = counts
        # The last method and its route. The parser returns the same object for the same bytes.
        self._method: BasicPublish | None = None
        self._route: Route | None = None

    def take(self, events: list[Event], at: int) -> int:
        """Handle publishes from ``at`` on: a run to one address without special needs, or one. Returns where they end.

        A busy publisher mostly sends runs. Routing, credit and confirms are then handled once for all publishes of one
        read. Raises ProtocolFailure, BrokerError.
        """
        event = events[at]
        if event[0] != PUBLISH:
            return at
        _, number, method, messages = event
        route = self._find_route(method)
        queue = route.queue
        # They differ only in their bodies.
        is_plain = messages[0].properties.plain
        can_run = is_plain and queue is not None and not self._transaction.is_selected
        if queue is None or not can_run or queue.featured:
            if len(messages) > 1:
                # One at a time, as a client's share of a turn may end between them.
                events[at : at + 1] = [(PUBLISH, number, method, [message]) for message in messages]
            if queue is not None and can_run:
                outcome = queue.publish(messages[0])
                route.counters.passed_on(1)
            else:
                outcome = self._publish_checked(method, route, messages[0])
            self._confirms.note(outcome, 1)
            return at + 1
        at += 1
        while at < len(events):
            event = events[at]
            if event[0] != PUBLISH or event[2] is not method or event[1] != number:
                break
            more = event[3]
            if not more[0].properties.plain:
                break
            messages += more
            at += 1
        count = len(messages)
        for begin in range(0, count, RUN_MOST):
            run = messages[begin : begin + RUN_MOST] if count > RUN_MOST else messages
            self._confirms.note(queue.publish_all(run), len(run))
        route.counters.passed_on(count)
        return at

    def _find_route(self, method: BasicPublish) -> Route:
        route = self._route
        if route is None or method is not self._method or route.version != self._router.version:
            self._route = None
            if method.immediate:
                # Whatever exchange it names, as in RabbitMQ.
                raise ProtocolFailure(540, "immediate=true")
            self._route = route = self._connection.routes.find(method.exchange, method.routing_key)
            self._method = method
        self._intake.published(route)
        return route

    def _publish_checked(self, method: BasicPublish, route: Route, message: Message) -> int:
        keys = [message.routing_key]
        headers: dict[str, FieldValue] = {}
        properties = message.properties
        if not properties.plain:
            headers = properties.headers or {}
            self._check_properties(properties)
            if asks(properties):
                check_headers(headers, int(self._connection.link.broker.clock.time() * 1000))
            if properties.reply_to == REPLY_TO:
                message = message.with_properties(properties.replace(reply_to=self._reply_token()))
            copies = carbon_copies(headers)
            if copies:
                keys = list(dict.fromkeys([*keys, *copies]))
                self._connection.operations.require_topics(route, keys)
            if "BCC" in headers:
                headers = {name: value for name, value in headers.items() if name != "BCC"}
                message = message.with_properties(message.properties.replace(headers=headers))
        if route.by_key and len(keys) == 1:
            targets = route.targets
        else:
            targets = self._router.route(route.exchange, keys, headers, properties)
        if self._transaction.is_selected:
            accepted = accepted_in(targets, message)
            if accepted is not None:
                self._accept(*accepted)
                return KEPT
            held = [(message, targets, method.mandatory)]
            self._transaction.publish(held, message.size, max(len(targets), 1))
            return KEPT
        return self._put(message, targets, route.counters, mandatory=method.mandatory)

    def _accept(self, channel: int, tag: int) -> None:
        """Accept a delivery on any channel of the connection when the transaction commits. Raises NotFound."""
        settler = self._connection.settler_of(channel)
        taken = settler.take_held(tag) if settler is not None else []
        if settler is None or not taken:
            raise NotFound(f"no delivery {tag} on channel {channel} is held by this connection")
        self._transaction.settle((settler, ACCEPT, taken))

    def _put(self, message: Message, targets: list[Target], counters: ExchangeCounters, *, mandatory: bool) -> int:
        """Put a message into its queues, or return it if there are none and it is mandatory."""
        store = self._connection.link.broker.store
        if store.error is not None and needs_disk(message, targets):
            if self._confirms.is_on:
                return REFUSED
            raise ResourceError(f"the message cannot be kept: {store.error.reason}")
        if not targets:
            if mandatory:
                self._give_back(message)
                counters.give_back()
            else:
                self._counts.add_dropped()
                counters.drop()
            return KEPT
        counters.routed_to(len(targets))
        return self._router.publish(message, targets)

    def put_all(self, published: list[Publish]) -> None:
        """Publish the messages of a transaction."""
        counters_of = self._router.counters_of
        for message, targets, mandatory in published:
            self._put(message, targets, counters_of(message.exchange), mandatory=mandatory)

    def _give_back(self, message: Message) -> None:
        """basic.return of an unroutable message (§1.8.3.9)."""
        output = self._connection.link.output
        returned = methods.BasicReturn(
            reply_code=312, reply_text="NO_ROUTE", exchange=message.exchange, routing_key=message.routing_key
        )
        output.send(method_frame(self._number, returned))
        output.send(content_frames(self._number, message, self._connection.terms.frame_max))
        self._counts.add_unroutable()

    def _check_properties(self, properties: Properties) -> None:
        user = properties.user_id
        known = self._connection.operations.user
        login = known.name
        if user is not None and user != login and "impersonator" not in known.tags:
            raise ProtocolFailure(406, f"user_id property set to '{user}' but authenticated user was '{login}'")
        expiration = properties.expiration
        if expiration is not None:
            fault = expiration_fault(expiration)
            if fault:
                raise ProtocolFailure(406, f"invalid expiration '{expiration}': {fault}")

    def _reply_token(self) -> str:
        replies = self._consumers.replies
        if replies is None:
            raise ProtocolFailure(406, "fast reply consumer does not exist")
        return replies.token
