"""A link for messages that are in no queue: direct replies, answers to requests."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from batonmq.protocols.amqp10.failures import no_sender, stolen
from batonmq.protocols.amqp10.links.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.model.channels import LinkStatus
    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.codec.performatives import Attach, Flow
    from batonmq.protocols.amqp10.links.session_parts import SessionParts
    from batonmq.protocols.amqp10.nodes.nodes import OpenedSource
    from batonmq.queued import QueuedMessage

# The most messages that wait for the client's credit: their senders cannot wait for it, and there is no queue.
WAITING_MAX: Final = 1_000
WAITING_OCTETS_MAX: Final = 16 << 20


class PushingLink:
    """Sends each message as soon as the client has credit."""

    __slots__ = (
        "_ended",
        "_octets",
        "_opened",
        "_parts",
        "_sender",
        "_waiting",
        "can_be_stolen",
        "client_sends",
        "name",
    )

    def __init__(
        self,
        parts: SessionParts,
        handle: int,
        attach: Attach,
        opened: OpenedSource,
        ended: Callable[[], None],
        *,
        can_be_stolen: bool,
    ) -> None:
        """``handle`` is ours; ``ended`` is called when the link ends."""
        self._parts = parts
        self._opened = opened
        self._ended = ended
        self._sender = Sender(parts, handle, attach, opened)
        self._waiting: deque[bytes] = deque()
        self._octets = 0
        self.name = attach.name
        self.client_sends = False
        self.can_be_stolen = can_be_stolen

    def push(self, payload: bytes) -> bool:
        """Send an encoded message, or keep it until the client takes it; False: too many wait already."""
        if not self._waiting and self._sender.has_room():
            self._sender.send_payload(payload)
            return True
        if len(self._waiting) >= WAITING_MAX or self._octets + len(payload) > WAITING_OCTETS_MAX:
            return False
        self._waiting.append(payload)
        self._octets += len(payload)
        return True

    def push_message(self, queued: QueuedMessage) -> bool:
        """Send a message of the broker in the same way."""
        return self.push(self._sender.written([queued])[0])

    def status(self) -> LinkStatus:
        """The state of the link, for listings."""
        return self._sender.status()

    def answer(self) -> Attach:
        """Our attach."""
        return self._sender.answer()

    def attached(self) -> None:
        """Our attach was sent."""

    def flowed(self, flow: Flow) -> None:
        """Take over the credit that the client gives, or takes back. Raises LinkFailure."""
        credit = self._sender.credit
        credit.flowed(flow)
        self.offer()
        if flow.echo and not credit.drain:
            self._sender.say(len(self._waiting))

    def take(self, events: list[Event], at: int) -> int:
        """Raises SessionFailure: the client may not send over a link on which it receives."""
        raise no_sender(self.name)

    def detached(self, *, closed: bool, by_client: bool) -> None:
        """It ends: drop the waiting messages."""
        self._sender.stop()
        self._waiting.clear()
        self._ended()
        self._parts.connection.nodes.close(self._opened, closed=closed)

    def stolen(self) -> None:
        """Its container has attached a link of this name elsewhere: detach this one."""
        self._parts.links.detach(self, stolen(self.name))

    def offer(self) -> None:
        """There may be room again."""
        while self._waiting and self._sender.has_room():
            payload = self._waiting.popleft()
            self._octets -= len(payload)
            self._sender.send_payload(payload)
        if self._sender.credit.drain:
            self._sender.end_drain(len(self._waiting))

    def withdraw(self) -> None:
        """There is no room: further messages wait."""
