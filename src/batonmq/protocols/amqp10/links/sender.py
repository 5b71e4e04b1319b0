"""What all links have in common over which the client receives, wherever their messages come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.model.channels import LinkStatus
from batonmq.protocols.amqp10.codec.encoder import transfer_prefix
from batonmq.protocols.amqp10.codec.performatives import Attach
from batonmq.protocols.amqp10.links.credit import Credit
from batonmq.protocols.amqp10.links.settle_modes import settle_mode
from batonmq.protocols.amqp10.messages.outgoing import MessageWriter

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.links.session_parts import SessionParts
    from batonmq.protocols.amqp10.nodes.nodes import OpenedSource
    from batonmq.queued import QueuedMessage

# The settle mode of a sender that settles everything itself (part 2 §2.8.2).
SETTLED: Final = 1


class Sender:
    """Our end of such a link: its credit, and how its transfers begin."""

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
        """Is everything settled when it is sent?"""
        self._prefix = transfer_prefix(parts.channel.number, handle, settled=self.is_settled)
        self.most: int = attach.max_message_size or 0
        """Bytes of the largest message that the client takes; 0: there is no limit (part 2 §2.7.3)."""
        self.credit = Credit(handle, parts.windows)
        self._writer = MessageWriter(parts.connection.terms.dialect)
        self._clock = parts.connection.link.broker.clock

    def answer(self) -> Attach:
        """Our attach, with the settle modes that the client asks for."""
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
        """How the link stands; ``queue`` is where its messages come from."""
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
        """Would the client take a message now?"""
        output = self._parts.channel.output
        return self.credit.left > 0 and output.unsent < output.limit and self._parts.deliveries.room() > 0

    def room(self) -> int:
        """How many messages the client would take now."""
        return min(self.credit.left, self._parts.deliveries.room()) if self.has_room() else 0

    def say(self, available: int) -> None:
        """Our flow for the link; ``available`` is how many messages wait in its queue."""
        self.credit.say(available, self._parts.deliveries.late(self._prefix))

    def end_drain(self, available: int) -> None:
        """There is nothing more for the credit that is left: it goes, once the client has all that came before.

        Until then the link drains; it is offered room when that is so.
        """
        if not self._parts.deliveries.late(self._prefix):
            self.credit.end_drain(available)

    def stop(self) -> None:
        """The link ends, and nothing follows."""
        self.credit.stop()
        if self._parts.deliveries.drop_waiting(self._prefix):
            self._parts.links.offer()

    def send(self, batch: list[QueuedMessage]) -> None:
        """Deliver these, not more than there is room for."""
        self.credit.take(len(batch))
        lead = self._writer.lead(batch)
        if lead is None:
            lead, payloads = b"", self.written(batch)
        else:
            payloads = [queued.message.payload for queued in batch]
        self._parts.deliveries.send(self._prefix, batch, payloads, lead, is_settled=self.is_settled)

    def written(self, batch: list[QueuedMessage]) -> list[bytes]:
        """These messages as they are on the wire."""
        now = int(self._clock.time() * 1000)
        sections = self._writer.sections
        return [sections(queued, now) for queued in batch]

    def send_payload(self, payload: bytes) -> None:
        """Deliver a message as it is on the wire, of which nothing is noted."""
        self.credit.take(1)
        self._parts.deliveries.send_payloads(self._prefix, [payload])
