"""One session of a connection: from its begin to its end (part 2 §2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.channels import SessionStatus
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.constants import RUN, TRANSFER
from batonmq.protocols.amqp10.codec.performatives import Attach, Detach, Disposition, End, Flow
from batonmq.protocols.amqp10.deliveries.channel import Channel
from batonmq.protocols.amqp10.deliveries.deliveries import Deliveries
from batonmq.protocols.amqp10.deliveries.late import LateDeliveries
from batonmq.protocols.amqp10.deliveries.outcomes import Outcomes
from batonmq.protocols.amqp10.deliveries.receipts import Receipts
from batonmq.protocols.amqp10.deliveries.settling import Settling
from batonmq.protocols.amqp10.deliveries.transactions import Transactions
from batonmq.protocols.amqp10.deliveries.windows import Windows
from batonmq.protocols.amqp10.failures import ConnectionFailure, Failure, SessionFailure
from batonmq.protocols.amqp10.links.links import Links
from batonmq.protocols.amqp10.links.pairs import LinkPairs
from batonmq.protocols.amqp10.links.publisher import Publisher
from batonmq.protocols.amqp10.links.session_parts import SessionParts

if TYPE_CHECKING:
    from batonmq.errors import StoreError
    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.codec.performatives import Begin, Performative
    from batonmq.protocols.amqp10.links.link_state import SessionLink
    from batonmq.protocols.amqp10.links.open_connection import OpenConnection
    from batonmq.queued import QueuedMessage


class BegunSession:
    """One session, built from its parts; ``detach`` is for links that end themselves."""

    __slots__ = ("_channel", "_counts", "_handle_max", "_links", "_parts")

    def __init__(self, number: int, begin: Begin, connection: OpenConnection) -> None:
        """``number`` is the channel's."""
        link = connection.link
        self._handle_max = handle_max = connection.terms.settings.handle_max
        self._counts = counts = link.counts.open()
        self._channel = channel = Channel(number, link.output)
        windows = Windows(channel, begin)
        self._links = Links(handle_max, begin.handle_max)
        deliveries = Deliveries(channel, windows, counts, connection.terms.max_frame_size)
        late = LateDeliveries(channel, deliveries, link.turn_end)
        outcomes = Outcomes(counts, connection.operations.vhost.scheduler.clock)
        transactions = Transactions(
            link.broker,
            link.barrier,
            connection.operations.vhost.router,
            connection.transaction_quota,
            channel,
            deliveries,
            late,
            outcomes,
            counts,
        )
        self._parts = SessionParts(
            connection,
            channel,
            windows,
            Receipts(channel, link.broker, link.barrier, link.turn_end, counts),
            deliveries,
            late,
            transactions,
            Settling(channel, deliveries, outcomes, transactions, link.broker, link.barrier, late),
            Publisher(connection),
            LinkPairs(),
            self,
            counts,
        )
        channel.say(windows.answer(handle_max))

    @property
    def is_ending(self) -> bool:
        """Have we ended it, and are we waiting for the client's end?"""
        return not self._channel.is_open

    # ------------------------------------------------------------------ what the client says

    def take(self, events: list[Event], at: int) -> int:
        """Handle transfers from ``at`` on: a run of similar ones, or one.

        Returns where they end. Raises Failure, BrokerError.
        """
        event = events[at]
        if event[0] != TRANSFER and event[0] != RUN:
            return at
        return self._links.take(events, at, event[2].handle, self._parts)

    def handle(self, performative: Performative) -> None:
        """Any other performative of a session that goes on. Raises Failure, BrokerError."""
        if isinstance(performative, Disposition):
            # The client's word on its own deliveries changes nothing: we have sent their outcome.
            if performative.role:
                self._parts.settling.take(performative)
        elif isinstance(performative, Flow):
            self._flow(performative)
        elif isinstance(performative, Attach):
            self._links.attach(performative, self._parts)
        elif isinstance(performative, Detach):
            self._links.detach(performative, self._parts)
        else:
            raise ConnectionFailure(conditions.NOT_ALLOWED, f"{type(performative).__name__} out of turn")

    def _flow(self, flow: Flow) -> None:
        parts = self._parts
        had_room = parts.deliveries.room() > 0
        was_behind = parts.deliveries.is_behind
        parts.windows.flowed(flow)
        parts.deliveries.go_on()
        if was_behind:
            parts.late.sent_more()
        if flow.handle is not None:
            self._links.flow(flow)
        elif flow.echo:
            parts.windows.say_flow()
        has_caught_up = was_behind and not parts.deliveries.is_behind
        if has_caught_up or (not had_room and parts.deliveries.room() > 0):
            self.offer()

    # ------------------------------------------------------------------ what listings show

    def held(self, most: int) -> tuple[int, list[QueuedMessage]]:
        """The session's number, and at most that many deliveries that the client holds."""
        return self._channel.number, self._parts.deliveries.first(most)

    def status(self) -> SessionStatus:
        """The state of the session."""
        windows = self._parts.windows
        links = list(self._links)
        return SessionStatus(
            number=self._channel.number,
            counts=self._counts,
            handle_max=self._handle_max,
            next_incoming_id=windows.next_incoming_id,
            incoming_window=windows.incoming_window,
            next_outgoing_id=windows.next_outgoing_id,
            remote_incoming_window=windows.remote_incoming_window,
            unsettled=self._parts.deliveries.unsettled,
            incoming=tuple(link.status() for link in links if link.client_sends),
            outgoing=tuple(link.status() for link in links if not link.client_sends),
        )

    # ------------------------------------------------------------------ what the broker says

    def offer(self) -> None:
        """There is room for deliveries again."""
        for link in self._links:
            link.offer()

    def withdraw(self) -> None:
        """There is no room for deliveries: the client does not read."""
        for link in self._links:
            link.withdraw()

    def batch_committed(self, batch: int) -> None:
        """All batches of the store up to this number are durable."""
        self._parts.receipts.batch_committed(batch)
        self._parts.settling.batch_committed(batch)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept."""
        self._parts.settling.batch_failed(batch)
        if self._parts.receipts.batch_failed(batch, error) and not self.is_ending:
            text = f"messages that came settled cannot be kept: {error.reason}"
            self.fail(SessionFailure(conditions.RESOURCE_LIMIT_EXCEEDED, text))

    def find_delivery(self, delivery_id: int) -> QueuedMessage | None:
        """The unsettled message with that delivery-id."""
        return self._parts.deliveries.find(delivery_id)

    def take_delivery(self, delivery_id: int) -> QueuedMessage | None:
        """Take the unsettled message with that delivery-id, to be settled elsewhere."""
        return self._parts.settling.take_one(delivery_id)

    # ------------------------------------------------------------------ the end

    def detach(self, link: SessionLink, failure: Failure) -> None:
        """Detach one of its links with an error."""
        self._links.end(link, failure, self._parts)

    def fail_link(self, handle: int, failure: Failure) -> None:
        """A frame from the client for the link with that handle was wrong: detach the link."""
        self._parts.receipts.turn_ended()
        connection = self._parts.connection
        connection.link.log.failed(f"link: {failure.condition}: {failure.description}", self._channel.number)
        self._links.fail(handle, failure, self._parts)

    def fail(self, failure: Failure) -> None:
        """End it with an error; frames before the client's end are dropped (part 2 §2.5.4)."""
        self.settle_up()
        connection = self._parts.connection
        connection.link.log.failed(f"{failure.condition}: {failure.description}", self._channel.number)
        self.release()
        self._channel.say(End(error=failure.error()))
        self._channel.close()

    def settle_up(self) -> None:
        """Send the outcomes of received deliveries that are known by now."""
        self._parts.receipts.turn_ended()

    def end(self) -> None:
        """The client's end: answer it."""
        self.settle_up()
        self.release()
        self._channel.say(End())
        self._channel.close()

    def release(self) -> None:
        """Give back everything that it holds."""
        if not self.is_ending:
            # First, so that a link that ends makes no room for the others.
            self._parts.deliveries.clear()
            self._links.release(self._parts)
            self._parts.transactions.roll_back_all()
            self._parts.receipts.clear()
            self._parts.settling.clear()
            self._parts.connection.link.counts.close(self._counts)
