"""Publishing on a channel: routing, returns and confirms (AMQP 0-9-1 §1.8.3.7, RabbitMQ's publisher confirms)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from batonmq.broker import KEPT, REFUSED, STORED, Route
from batonmq.broker.features.publish_headers import asks, check_headers
from batonmq.broker.management.target import refuse_requests
from batonmq.broker.routing.direct_replies import REPLY_TO
from batonmq.errors import ResourceError
from batonmq.fields import type_name
from batonmq.message import Message
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.constants import PUBLISH
from batonmq.protocols.amqp091.consuming import Settlement
from batonmq.protocols.amqp091.encoder import content_frames, method_frame
from batonmq.protocols.amqp091.failures import ProtocolFailure

if TYPE_CHECKING:
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.fields import FieldValue
    from batonmq.properties import Properties
    from batonmq.protocols.amqp091.methods import BasicPublish
    from batonmq.protocols.amqp091.parser import Event

# A time to live ends at 100 years.
EXPIRATION_MAX = 100 * 365 * 24 * 3600 * 1000
# Routing keys in the headers CC and BCC together: each is looked up in all exchanges that the message passes.
COPIES_MAX = 1_000

_INTEGER = re.compile(r"[+-]?[0-9]+")


class Publishing(Settlement):
    """The publisher's side of a channel."""

    __slots__ = ()

    def publish_run(self, events: list[Event], at: int) -> int:
        """Take publishes that follow one another with the same address and nothing special, from ``at`` on.

        Returns where they end: ``at`` itself when the first one is not of that kind. Most of what a busy publisher
        sends is, and then routing, credit and confirms are looked at once for all that one read has brought.
        """
        event = events[at]
        if event[0] != PUBLISH:
            return at
        method = event[2]
        route = method.route
        if (
            not isinstance(route, Route)
            or route.queue is None
            or route.queue.featured
            or route.version != self.session.vhost.version
            or not self.publishes_plainly
            or method.immediate
        ):
            return at
        exchange, routing_key = method.exchange, method.routing_key
        messages: list[Message] = []
        end = len(events)
        while event[0] == PUBLISH and event[2] is method and event[1] == self.number and event[3].plain:
            _, _, _, properties, payload, start, size, framed_on = event
            messages.append(Message(exchange, routing_key, properties, payload, start, size, framed_on))
            at += 1
            if at == end:
                break
            event = events[at]
        if messages:
            self._note_outcome(route.queue.publish_all(messages), len(messages))
        return at

    def publish(
        self,
        method: BasicPublish,
        properties: Properties,
        payload: bytes,
        start: int,
        size: int,
        framed_on: int,
    ) -> None:
        """basic.publish. Raises ProtocolFailure, BrokerError."""
        route = method.route
        if not isinstance(route, Route) or route.version != self.session.vhost.version:
            route = self.session.operations.resolve(method.exchange, method.routing_key)
            # A route stays good while nothing is bound, unbound, declared or deleted in the virtual host.
            method.route = route
        message = Message(method.exchange, method.routing_key, properties, payload, start, size, framed_on)
        if properties.plain and route.queue is not None and self.publishes_plainly and not method.immediate:
            outcome = route.queue.publish(message)
        else:
            outcome = self._publish_checked(method, route, message)
        self._note_outcome(outcome, 1)

    def _publish_checked(self, method: BasicPublish, route: Route, message: Message) -> int:
        if method.immediate:
            raise ProtocolFailure(540, "immediate=true")
        keys = [message.routing_key]
        headers: dict[str, FieldValue] = {}
        properties = message.properties
        if not properties.plain:
            headers = properties.headers or {}
            self._check_properties(properties)
            if asks(properties):
                check_headers(headers, int(self.session.broker.clock.time() * 1000))
            if properties.reply_to == REPLY_TO:
                message = message.with_properties(properties.replace(reply_to=self._reply_token()))
            copies = _carbon_copies(headers)
            if copies:
                keys = list(dict.fromkeys([*keys, *copies]))
            if "BCC" in headers:
                headers = {name: value for name, value in headers.items() if name != "BCC"}
                message = message.with_properties(message.properties.replace(headers=headers))
        if route.by_key and len(keys) == 1:
            targets = route.targets
        else:
            targets = self.session.vhost.route(route.exchange, keys, headers, properties)
        if self.transaction is not None:
            refuse_requests(targets)
            self.transaction.publish(message, targets, mandatory=method.mandatory)
            return KEPT
        return self.put(message, targets, mandatory=method.mandatory)

    def put(self, message: Message, targets: list[Target], *, mandatory: bool) -> int:
        """Into the queues, or back to the publisher if there are none and it wants to know."""
        store = self.session.broker.store
        if store.error is not None and message.properties.persistent and any(target.durable for target in targets):
            if self.confirming:
                return REFUSED
            raise ResourceError(f"the message cannot be kept: {store.error.reason}")
        if not targets:
            if mandatory:
                self.give_back(message)
            return KEPT
        return self.session.vhost.publish(message, targets)

    def give_back(self, message: Message) -> None:
        """basic.return of a message that no queue wants (§1.8.3.9)."""
        self.send(
            methods.BasicReturn(
                reply_code=312, reply_text="NO_ROUTE", exchange=message.exchange, routing_key=message.routing_key
            )
        )
        self.session.output.append(content_frames(self.number, message, self.session.frame_max))

    def _check_properties(self, properties: Properties) -> None:
        user = properties.user_id
        login = self.session.user.name
        if user is not None and user != login and "impersonator" not in self.session.user.tags:
            raise ProtocolFailure(406, f"user_id property set to '{user}' but authenticated user was '{login}'")
        expiration = properties.expiration
        if expiration is not None:
            fault = _expiration_fault(expiration)
            if fault:
                raise ProtocolFailure(406, f"invalid expiration '{expiration}': {fault}")

    def _reply_token(self) -> str:
        if self.reply_consumer is None:
            raise ProtocolFailure(406, "fast reply consumer does not exist")
        return self.reply_consumer.token

    # ------------------------------------------------------------------ confirms

    def _note_outcome(self, outcome: int, count: int) -> None:
        """Number publishes that came to the same, and remember what their confirm waits for."""
        batch = self.session.broker.store.batch
        if outcome == STORED:
            self.session.gate.await_commit()
        if not self.confirming:
            if outcome == STORED:
                self.stored_batch = batch
            return
        self.published = number = self.published + count
        waiting = self.unconfirmed
        if outcome == STORED:
            if waiting and waiting[-1][1] == batch:
                waiting[-1] = (number, batch)
            else:
                waiting.append((number, batch))
        elif outcome == REFUSED:
            self.send(methods.BasicNack(delivery_tag=number, multiple=False, requeue=False))
            self.refused.append(number)
            self._follow(number)
        else:
            self._follow(number)

    def _follow(self, number: int) -> None:
        """Nothing to wait for but its elders: confirms go out in order, many in one."""
        if self.unconfirmed:
            self.unconfirmed[-1] = (number, self.unconfirmed[-1][1])
        else:
            self.confirmable = number
            self.session.note_confirms(self)

    def send_confirms(self) -> None:
        """One cumulative basic.ack for all that became safe since the last, and did not get a basic.nack."""
        up_to = self.confirmable
        if up_to <= self.confirmed:
            return
        # Straight into the output: the turn that is ending takes it along.
        output = self.session.output
        for first, last in self._not_refused(up_to) if self.refused else ((self.confirmed + 1, up_to),):
            output.append(method_frame(self.number, methods.BasicAck(delivery_tag=last, multiple=last > first)))
        self.confirmed = up_to

    def _not_refused(self, up_to: int) -> list[tuple[int, int]]:
        """First and last of the runs of publishes between those that were refused: no tag is confirmed twice."""
        runs: list[tuple[int, int]] = []
        first = self.confirmed + 1
        refused = self.refused
        while refused and refused[0] <= up_to:
            number = refused.popleft()
            if number > first:
                runs.append((first, number - 1))
            first = number + 1
        if first <= up_to:
            runs.append((first, up_to))
        return runs

    def batch_committed(self, batch: int) -> None:
        """Everything up to this batch is on the disk."""
        waiting = self.unconfirmed
        while waiting and waiting[0][1] <= batch:
            self.confirmable = waiting.popleft()[0]
        self.session.note_confirms(self)

    def batch_failed(self, batch: int, detail: str) -> None:
        """The messages of these batches are not kept: their publisher must know."""
        waiting = self.unconfirmed
        refused = 0
        while waiting and waiting[0][1] <= batch:
            refused = waiting.popleft()[0]
        if refused:
            for first, last in self._not_refused(refused):
                self.send(methods.BasicNack(delivery_tag=last, multiple=last > first, requeue=False))
            self.confirmable = self.confirmed = refused
        elif self.stored_batch and self.stored_batch <= batch:
            self.stored_batch = 0
            self.fail(ProtocolFailure(506, f"messages could not be kept: {detail}"), 60, 40)


def _carbon_copies(headers: dict[str, FieldValue]) -> list[str]:
    """Sender-selected distribution: further routing keys in the headers CC and BCC. What is no text routes nowhere."""
    keys: list[str] = []
    for name in ("CC", "BCC"):
        if name not in headers:
            continue
        value = headers[name]
        if not isinstance(value, list):
            fault = f'{{unacceptable_type_in_header,"{name}",{type_name(value)}}}'
            raise ProtocolFailure(406, f"invalid message: {fault}")
        keys += [str(key) for key in value if isinstance(key, str)]
    if len(keys) > COPIES_MAX:
        raise ProtocolFailure(406, f"invalid message: CC and BCC hold {len(keys)} keys, more than {COPIES_MAX}")
    return keys


def _expiration_fault(expiration: str) -> str:
    """RabbitMQ's words for what is wrong with it; "" when nothing is."""
    found = _INTEGER.match(expiration)
    if found is None:
        return "no_integer"
    if found.end() < len(expiration):
        return f'{{leftover_string,"{expiration[found.end() :]}"}}'
    number = int(expiration)
    if number < 0:
        return f"{{value_negative,{number}}}"
    return f"{{value_too_large,{number}}}" if number > EXPIRATION_MAX else ""
