"""A link over which the client receives from a queue: a consumer under the client's credit (part 2 §2.6.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.model.clients import Subscriber
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.values import Symbol
from batonmq.protocols.amqp10.deliveries.receiver import Receiver
from batonmq.protocols.amqp10.failures import LinkFailure, no_sender, stolen
from batonmq.protocols.amqp10.links.sender import Sender
from batonmq.protocols.sessions import settling

if TYPE_CHECKING:
    from batonmq.broker.model.channels import LinkStatus
    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.codec.performatives import Attach, Flow
    from batonmq.protocols.amqp10.links.session_parts import SessionParts
    from batonmq.protocols.amqp10.nodes.nodes import OpenedSource
    from batonmq.queued import QueuedMessage

# A property of our flow: is the link the one that a queue with a single active consumer serves?
ACTIVE: Final = Symbol("rabbitmq:active")


class OutgoingLink(Receiver):
    """Consumes from a queue. The client's credit is its prefetch: it does not come back by settling."""

    __slots__ = ("_credit", "_is_attached", "_late", "_opened", "_parts", "_sender", "_too_large", "name")

    def __init__(self, parts: SessionParts, handle: int, attach: Attach, opened: OpenedSource) -> None:
        """``handle`` is ours. Raises AccessRefused, PreconditionFailed: it cannot consume from the queue."""
        self._sender = sender = Sender(parts, handle, attach, opened)
        super().__init__(
            opened.queue,
            attach.name,
            no_ack=sender.is_settled,
            exclusive=opened.exclusive,
            priority=opened.priority,
            arguments=opened.arguments,
        )
        self.selector = opened.selector
        self.default_outcome = opened.default_outcome
        self.is_over = False
        self._is_attached = False
        self._credit = sender.credit
        self._parts = parts
        self._opened = opened
        # Deliveries that were taken back, and that the client has not settled: until then it gets no more.
        self._late: set[QueuedMessage] = set()
        # Messages delivered to it that are larger than the client accepts.
        self._too_large: list[QueuedMessage] = []
        self.name = attach.name
        parts.connection.operations.subscribe(opened.queue, self)
        if opened.is_deaf:
            parts.connection.deaf.add(opened.queue)

    @property
    def client_sends(self) -> bool:
        """Does the client send over it?"""
        return False

    @property
    def can_be_stolen(self) -> bool:
        """Does another link of this name in the client's container replace it?"""
        return True

    def status(self) -> LinkStatus:
        """The state of the link, for listings."""
        return self._sender.status(self._opened.queue.name)

    def answer(self) -> Attach:
        """Our attach."""
        return self._sender.answer()

    def attached(self) -> None:
        """Our attach was sent. The first credit comes from the client."""
        self._is_attached = True
        if self._opened.queue.settings.single_active:
            self._say_whether_active()

    def subscriber(self) -> Subscriber | None:
        client = self._parts.connection.link.client
        # The client gives the credit, so the broker knows no prefetch.
        return Subscriber(client, self._parts.channel.number, 0) if client is not None else None

    # ------------------------------------------------------------------ what the client says

    def flowed(self, flow: Flow) -> None:
        """Take over the credit that the client gives, or takes back. Raises LinkFailure."""
        credit = self._credit
        if credit.drain and not flow.drain:
            self.queue.stop_draining(self)
        credit.flowed(flow)
        if credit.left:
            self.offer()
        else:
            self.withdraw()
            if credit.drain:
                self._sender.end_drain(self.queue.ready_count)
                return
        if flow.echo:
            self._sender.say(self.queue.ready_count)

    def take(self, events: list[Event], at: int) -> int:
        """Raises SessionFailure: the client may not send over a link on which it receives."""
        raise no_sender(self.name)

    def detached(self, *, closed: bool, by_client: bool) -> None:
        """It ends: stop deliveries, and give back the messages it holds."""
        self.is_over = True
        self._sender.stop()
        self._return_too_large()
        if self._opened.is_deaf:
            self._parts.connection.deaf.drop(self._opened.queue)
        self.queue.unsubscribe(self)
        self._parts.settling.release_link(self, by_client=by_client)
        self._parts.connection.nodes.close(self._opened, closed=closed)

    # ------------------------------------------------------------------ what the queue asks

    def has_room(self) -> bool:
        return not self._late and self._sender.has_room()

    def room(self) -> int:
        return 0 if self._late else self._sender.room()

    def deliver(self, queued: QueuedMessage) -> bool:
        self.deliver_all([queued])
        return self.has_room()

    def deliver_all(self, batch: list[QueuedMessage]) -> None:
        if self._sender.most:
            batch = self._fitting(batch)
        self._sender.send(batch)

    def is_used_up(self) -> bool:
        return bool(self._late) or not self._credit.left

    def hold(self, batch: int) -> None:
        self._parts.connection.link.barrier.hold(batch)

    def drained(self) -> None:
        """The queue has no more messages for it: give up the rest of the credit (§2.6.7)."""
        if self._credit.drain:
            self._sender.end_drain(self.queue.ready_count)
            if not self._credit.left:
                self.withdraw()

    def activity_changed(self) -> None:
        # Before our attach the client does not know the link; what it is by then is said after it.
        if self._is_attached and not self.is_over:
            self._say_whether_active()

    def _say_whether_active(self) -> None:
        """Tell the client whether it is served, or stands by: as RabbitMQ does, in a property of the flow."""
        queue = self._opened.queue
        self._sender.say(queue.ready_count, {ACTIVE: queue.active is self})

    def cancelled(self) -> None:
        self._credit.stop()
        failure = LinkFailure(conditions.RESOURCE_DELETED, f"queue '{self._opened.queue.name}' is gone")
        self._parts.links.detach(self, failure)

    # ------------------------------------------------------------------ what was taken back

    def revoked(self, queued: QueuedMessage) -> None:
        self._late.add(queued)
        self._parts.late.add(queued)
        self.withdraw()

    def settled_late(self, queued: QueuedMessage) -> None:
        self._parts.late.drop(queued)
        self._late.discard(queued)
        if not self._late and not self.is_over:
            self.offer()

    # ------------------------------------------------------------------ messages that are too large

    def _fitting(self, batch: list[QueuedMessage]) -> list[QueuedMessage]:
        """The messages before the first one that is too large, which ends the link (part 2 §2.7.3)."""
        for at, payload in enumerate(self._sender.written(batch)):
            if len(payload) > self._sender.most:
                self._too_large += batch[at:]
                self._credit.stop()
                self._parts.connection.link.turn_end.wait(self)
                return batch[:at]
        return batch

    def turn_ended(self) -> None:
        """End the link if a message was too large."""
        if self._too_large:
            text = f"a message in queue '{self._opened.queue.name}' is larger than {self._sender.most} bytes"
            self._parts.links.detach(self, LinkFailure(conditions.MESSAGE_SIZE_EXCEEDED, text))

    def _return_too_large(self) -> None:
        if self._too_large:
            held, self._too_large = self._too_large, []
            settling.requeue(held, failed=False)

    # ------------------------------------------------------------------ what else happens

    def stolen(self) -> None:
        """Its container has attached a link of this name elsewhere: detach this one."""
        self._parts.links.detach(self, stolen(self.name))

    def offer(self) -> None:
        """There may be room again."""
        if not self.waiting and self.has_room():
            self.queue.offer(self)
        if self._credit.drain:
            if self._credit.left:
                self.queue.drain(self)
            else:
                self._sender.end_drain(self.queue.ready_count)

    def withdraw(self) -> None:
        """There is no room: the client does not read."""
        if self.waiting:
            self.queue.withdraw(self)
