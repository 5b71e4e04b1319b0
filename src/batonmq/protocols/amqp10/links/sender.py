"""Our end of all links over which the client receives, whatever the source of their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.model.channels import LinkStatus
from batonmq.protocols.amqp10.codec.encoder import transfer_prefix
from batonmq.protocols.amqp10.codec.performatives import Attach
from batonmq.protocols.amqp10.links.credit import Credit
from batonmq.protocols.amqp10.links.settle_modes import settle_mode
from batonmq.protocols.amqp10.messages.outgoing import MessageWriter

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.composites import Fields
    from batonmq.protocols.amqp10.links.session_parts import SessionParts
    from batonmq.protocols.amqp10.nodes.nodes import OpenedSource
    from batonmq.queued import QueuedMessage

# The settle mode of a sender that settles everything itself (part 2 §2.8.2).
SETTLED: Final = 1


class Sender:
    """Our end of such a link: its credit, and the prefix of its transfers."""

    __slots__ = (
        "_attach",
        "_clock",
        "_handle",
        "_opened",
        "_parts",
        "_prefix",
        "_writer",
        "credit",
        "is_settled",
        "most",
    )

    def __init__(self, parts: SessionParts, handle: int, attach: Attach, opened: OpenedSource) -> None:
        """``handle`` is ours."""
        self._parts = parts
        self._handle = handle
        self._attach = attach
        self._opened = opened
        self.is_settled = attach.snd_settle_mode == SETTLED
        """Are all messages sent settled?"""
        self._prefix = transfer_prefix(parts.channel.number, handle, settled=self.is_settled)
        self.most: int = attach.max_message_size or 0
        """The largest message that the client accepts, in bytes; 0: no limit (part 2 §2.7.3)."""
        self.credit = Credit(handle, parts.windows)
        self._writer = MessageWriter(parts.connection.terms.dialect)
        self._clock = parts.connection.link.broker.clock

    def answer(self) -> Attach:
        """Our attach, with the settle modes that the client requested."""
        attach = self._attach
        return Attach(
            name=attach.name,
            handle=self._handle,
            role=False,
            snd_settle_mode=attach.snd_settle_mode,
            rcv_settle_mode=attach.rcv_settle_mode,
            source=self._opened.source,
            target=attach.target,
            initial_delivery_count=0,
            properties=self._opened.properties,
        )

    def status(self, queue: str = "") -> LinkStatus:
        """The state of the link; ``queue`` is the name of its queue."""
        attach, opened = self._attach, self._opened
        return LinkStatus(
            handle=attach.handle,
            name=attach.name,
            address=opened.source.address or "",
            queue=queue,
            credit=self.credit.left,
            delivery_count=self.credit.delivery_count,
            max_message_size=self.most,
            settles=settle_mode(attach.snd_settle_mode),
            selector=opened.selector.text if opened.selector is not None else "",
        )

    def has_room(self) -> bool:
        """Would the client accept a message now?"""
        output = self._parts.channel.output
        return self.credit.left > 0 and output.unsent < output.limit and self._parts.deliveries.room() > 0

    def room(self) -> int:
        """How many messages the client would accept now."""
        return min(self.credit.left, self._parts.deliveries.room()) if self.has_room() else 0

    def say(self, available: int, properties: Fields | None = None) -> None:
        """Send our flow for the link; ``available`` is how many messages wait in its queue."""
        self.credit.say(available, self._parts.deliveries.late(self._prefix), properties)

    def end_drain(self, available: int) -> None:
        """Give up the rest of the credit, as there are no messages for it, once all earlier ones are sent.

        Until then the link keeps draining; it is offered room when they are.
        """
        if not self._parts.deliveries.late(self._prefix):
            self.credit.end_drain(available)

    def stop(self) -> None:
        """The link ends: send nothing more."""
        self.credit.stop()
        if self._parts.deliveries.drop_waiting(self._prefix):
            self._parts.links.offer()

    def send(self, batch: list[QueuedMessage]) -> None:
        """Deliver these messages, which must not be more than there is room for."""
        self.credit.take(len(batch))
        lead = self._writer.lead(batch)
        if lead is None:
            lead, payloads = b"", self.written(batch)
        else:
            payloads = [queued.message.payload for queued in batch]
        self._parts.deliveries.send(self._prefix, batch, payloads, lead, is_settled=self.is_settled)

    def written(self, batch: list[QueuedMessage]) -> list[bytes]:
        """These messages in encoded form."""
        now = int(self._clock.time() * 1000)
        sections = self._writer.sections
        return [sections(queued, now) for queued in batch]

    def send_payload(self, payload: bytes) -> None:
        """Deliver an encoded message, without keeping track of it."""
        self.credit.take(1)
        self._parts.deliveries.send_payloads(self._prefix, [payload])
