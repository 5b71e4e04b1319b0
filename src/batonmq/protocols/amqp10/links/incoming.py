"""A link over which the client sends to queues and exchanges (part 2 §2.6, part 3 §3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker import KEPT
from batonmq.errors import BrokerError, StoreError
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.constants import RUN, TRANSFER
from batonmq.protocols.amqp10.codec.performatives import Accepted, Rejected, Released, TransactionalState
from batonmq.protocols.amqp10.codec.runs import single, transfers_of
from batonmq.protocols.amqp10.codec.values import DecodeError
from batonmq.protocols.amqp10.deliveries.serial import MASK
from batonmq.protocols.amqp10.failures import LinkFailure, as_failure, stolen
from batonmq.protocols.amqp10.links.inflow import Inflow
from batonmq.protocols.amqp10.messages.incoming import MessageReader
from batonmq.protocols.sessions.unconfirmed import RUN_MOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batonmq.broker import Route
    from batonmq.broker.model.channels import LinkStatus
    from batonmq.message import Message
    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.codec.performatives import Attach, Flow, Outcome, Transfer
    from batonmq.protocols.amqp10.links.partial import Partial
    from batonmq.protocols.amqp10.links.session_parts import SessionParts
    from batonmq.protocols.amqp10.nodes.nodes import OpenedTarget


ACCEPTED: Final = Accepted()
RELEASED: Final = Released()


class IncomingLink:
    """A link whose transfers become messages in queues."""

    __slots__ = (
        "_attach",
        "_inflow",
        "_opened",
        "_parts",
        "_reader",
        "_route",
        "can_be_stolen",
        "client_sends",
        "name",
    )

    def __init__(self, parts: SessionParts, handle: int, attach: Attach, opened: OpenedTarget) -> None:
        """``handle`` is ours. Raises LinkFailure."""
        self._parts = parts
        self._attach = attach
        self._opened = opened
        self._inflow = Inflow(parts, handle, attach)
        self._reader = MessageReader(parts.connection.link.broker.clock, parts.connection.terms.dialect)
        # The route of its messages, if it is the same for all.
        self._route: Route | None = None
        self.name = attach.name
        self.client_sends = True
        self.can_be_stolen = True

    def status(self) -> LinkStatus:
        """The state of the link, for listings."""
        return self._inflow.status(self._opened.target.address)

    def answer(self) -> Attach:
        """Our attach."""
        return self._inflow.answer(self._attach.source, self._opened.target, self._opened.properties)

    def attached(self) -> None:
        """Our attach was sent: let the client send."""
        self._inflow.grant()

    def flowed(self, flow: Flow) -> None:
        """The sender's flow tells how many messages it has; answer it on request."""
        if flow.echo:
            self._inflow.grant()

    def detached(self, *, closed: bool, by_client: bool) -> None:
        """It ends: drop an incomplete delivery."""
        self._inflow.drop()
        self._parts.connection.nodes.close(self._opened, closed=closed)

    def stolen(self) -> None:
        """Its container has attached a link of this name elsewhere: detach this one."""
        self._parts.links.detach(self, stolen(self.name))

    def offer(self) -> None:
        """Do nothing: no messages are delivered over it."""

    def withdraw(self) -> None:
        """Do nothing: no messages are delivered over it."""

    # ------------------------------------------------------------------ transfers

    def take(self, events: list[Event], at: int) -> int:
        """Handle transfers from ``at`` on: a run of similar ones, or one. Returns where they end.

        A busy publisher mostly sends runs. Routing, credit and receipts are then handled once for all transfers of one
        read. Raises LinkFailure, SessionFailure, BrokerError.
        """
        event = events[at]
        limit = self._parts.connection.terms.settings.max_message_size
        most = min(self._inflow.credit, RUN_MOST)
        if event[0] == RUN:
            _, channel, shape, first, payloads = event
            taken = _within(payloads[:most], limit)
            count = self._take_run(event, shape, first, taken)
            if count == len(payloads):
                return at + 1
            if count:
                events[at] = (RUN, channel, shape, first + count & MASK, payloads[count:])
                return at
        elif event[0] == TRANSFER:
            _, _, shape, delivery_id, _, _ = event
            if delivery_id is not None:
                count = self._take_run(event, shape, delivery_id, _run(events, at, most, limit))
                if count:
                    return at + count
        else:
            return at
        # Handled separately, with all checks.
        self._take_one(events, at)
        return at + 1

    def _take_run(self, event: Event, shape: Transfer, first: int, payloads: Iterable[bytes]) -> int:
        """Publish the messages of these deliveries, with consecutive ids from ``first`` on; returns their number.

        0: the first has to be handled separately. Raises SessionFailure, BrokerError: the whole event is refused.
        """
        opened = self._opened
        inflow = self._inflow
        exchange, routing_key = opened.exchange, opened.routing_key
        is_single = shape.more or shape.aborted or shape.resume or shape.state is not None or opened.is_anonymous
        if is_single or routing_key is None or not inflow.is_between:
            return 0
        parts = self._parts
        try:
            route = self._find_route(exchange, routing_key)
        except BrokerError:
            # Refused transfers count for the window, too.
            parts.windows.received(transfers_of(event))
            raise
        queue = route.queue
        if queue is None or queue.featured or parts.connection.deaf:
            return 0
        messages = self._reader.read_plain(payloads, exchange, routing_key)
        count = len(messages)
        if count:
            parts.windows.received(count)
            outcome = queue.publish_all(messages)
            route.counters.passed_on(count)
            if shape.settled:
                parts.receipts.note_settled(outcome, count)
            else:
                parts.receipts.note(outcome, first, count, is_settled=inflow.is_settled_first)
            inflow.used(count)
        return count

    def _find_route(self, exchange: str, routing_key: str) -> Route:
        """The route of messages to one address. Raises NotFound, AccessRefused."""
        route = self._route
        if route is None or route.version != self._parts.connection.operations.vhost.router.version:
            self._route = None
            self._route = route = self._parts.publisher.route(exchange, routing_key)
        else:
            self._parts.connection.link.intake.published(route)
        return route

    def _take_one(self, events: list[Event], at: int) -> None:
        _, _, shape, delivery_id, tag, payload = single(events, at)
        delivery = self._inflow.add(shape, delivery_id, tag, payload)
        if delivery is not None:
            try:
                self._receive(delivery)
            finally:
                self._inflow.used(1)

    def _receive(self, delivery: Partial) -> None:
        """Handle a complete message. Raises LinkFailure, BrokerError, StoreError."""
        try:
            self._deliver(delivery, _transaction_of(delivery))
        except (LinkFailure, BrokerError, StoreError) as error:
            if isinstance(delivery.state, TransactionalState):
                # A transaction that has lost one of its messages must not be committed.
                self._parts.transactions.fail(delivery.state.txn_id, as_failure(error).description)
            raise

    def _deliver(self, delivery: Partial, txn_id: bytes | None) -> None:
        """Publish to the queues, or add to a transaction."""
        data = delivery.whole()
        try:
            route, to, message = self._read(data)
        except DecodeError as error:
            raise LinkFailure(conditions.DECODE_ERROR, f"the message cannot be read: {error}") from None
        except (LinkFailure, BrokerError) as error:
            # Others may still succeed if each message names its own address.
            if not self._opened.is_anonymous or delivery.is_settled:
                raise
            self._refuse(Rejected(error=as_failure(error).error()), delivery, txn_id)
            return
        outcome = KEPT
        try:
            targets = self._parts.publisher.targets(route, message)
            if txn_id is not None:
                self._parts.transactions.publish(txn_id, message, targets)
            elif targets:
                outcome = self._parts.publisher.put(message, targets)
                route.counters.routed_to(len(targets))
        except (BrokerError, StoreError) as error:
            if delivery.is_settled:
                raise
            self._refuse(Rejected(error=as_failure(error).error()), delivery, txn_id)
            return
        if not targets:
            self._count_unroutable(route, is_told=not delivery.is_settled)
        is_taken = targets or self._opened.accepts_unroutable or (to and self._parts.connection.nodes.is_topic(to))
        if txn_id is not None:
            if not delivery.is_settled:
                self._tell(ACCEPTED if is_taken else RELEASED, delivery, txn_id)
        elif delivery.is_settled:
            self._parts.receipts.note_settled(outcome, 1)
        elif is_taken:
            queue = targets[0].name if len(targets) == 1 else ""
            is_settled = self._inflow.is_settled_first
            self._parts.receipts.note(outcome, delivery.delivery_id, 1, is_settled=is_settled, queue=queue)
        else:
            self._refuse(RELEASED, delivery, None)

    def _count_unroutable(self, route: Route, *, is_told: bool) -> None:
        """Count an unroutable message; ``is_told``: the sender is told, otherwise it is dropped silently."""
        if is_told:
            self._parts.counts.add_unroutable()
            route.counters.give_back()
        else:
            self._parts.counts.add_dropped()
            route.counters.drop()

    def _read(self, data: bytes) -> tuple[Route, str | None, Message]:
        """The route of a message, its property to if that decides the route, and the message.
        Raises LinkFailure, BrokerError, DecodeError.
        """
        opened = self._opened
        to = None
        exchange, routing_key = opened.exchange, opened.routing_key
        if opened.is_anonymous:
            to = self._reader.address_of(data)
            exchange, routing_key = self._parts.connection.nodes.address_of(to)
        elif routing_key is None:
            routing_key = self._reader.subject_of(data) or ""
        publisher = self._parts.publisher
        route = publisher.route(exchange, routing_key)
        # While the store cannot write, no route knows its targets.
        if route.by_key and not (exchange or route.targets or opened.is_anonymous):
            self._parts.connection.nodes.declare_again(opened)
            route = publisher.route(exchange, routing_key)
        return route, to, self._reader.read(data, exchange, routing_key)

    def _refuse(self, outcome: Outcome, delivery: Partial, txn_id: bytes | None) -> None:
        if txn_id is not None:
            self._tell(outcome, delivery, txn_id)
        else:
            is_settled = self._inflow.is_settled_first
            self._parts.receipts.refuse(outcome, delivery.delivery_id, is_settled=is_settled)

    def _tell(self, outcome: Outcome, delivery: Partial, txn_id: bytes) -> None:
        """Send a provisional outcome within a transaction (part 4 §4.4.1)."""
        state = TransactionalState(txn_id=txn_id, outcome=outcome)
        self._parts.receipts.tell(state, delivery.delivery_id, is_settled=self._inflow.is_settled_first)


def _transaction_of(delivery: Partial) -> bytes | None:
    """The transaction that a delivery belongs to; None: it belongs to none."""
    state = delivery.state
    # Any other state is the sender's own, and does not decide our outcome.
    return state.txn_id if isinstance(state, TransactionalState) else None


def _within(payloads: list[bytes], limit: int) -> list[bytes]:
    """These payloads up to the first with more than ``limit`` octets."""
    for at, payload in enumerate(payloads):
        if len(payload) > limit:
            return payloads[:at]
    return payloads


def _run(events: list[Event], at: int, most: int, limit: int) -> Iterator[bytes]:
    """The payloads of a run of up to ``most`` similar transfers, each a whole delivery of at most ``limit`` octets."""
    first = events[at]
    assert first[0] == TRANSFER
    _, channel, shape, expected, _, _ = first
    for index in range(at, min(at + most, len(events))):
        event = events[index]
        if event[0] != TRANSFER:
            return
        _, number, its_shape, its_id, tag, payload = event
        if its_shape is not shape or its_id is None or its_id != expected:
            return
        if number != channel or tag is None or len(payload) > limit:
            return
        yield payload
        expected = its_id + 1 & MASK
