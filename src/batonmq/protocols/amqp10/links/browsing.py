"""A link with the distribution mode copy: it shows ready messages without taking them (part 3 §3.5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.routing.direct_replies import NOBODY
from batonmq.errors import StoreError
from batonmq.protocols.amqp10.failures import no_sender, stolen
from batonmq.protocols.amqp10.links.sender import Sender
from batonmq.queued import QueuedMessage

if TYPE_CHECKING:
    from batonmq.broker.model.channels import LinkStatus
    from batonmq.broker.queues.browsing import Browsed, Browser
    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.codec.performatives import Attach, Flow
    from batonmq.protocols.amqp10.links.session_parts import SessionParts
    from batonmq.protocols.amqp10.nodes.nodes import OpenedSource

# Messages requested at once.
MOST: Final = 500


class BrowsingLink:
    """Shows the messages that were ready when it was attached. They are not held, so settling them has no effect."""

    __slots__ = (
        "_browser",
        "_is_over",
        "_is_reading",
        "_opened",
        "_parts",
        "_sender",
        "can_be_stolen",
        "client_sends",
        "name",
    )

    def __init__(
        self, parts: SessionParts, handle: int, attach: Attach, opened: OpenedSource, browser: Browser
    ) -> None:
        """``handle`` is ours."""
        self._parts = parts
        self._opened = opened
        self._browser = browser
        self._sender = Sender(parts, handle, attach, opened)
        self._is_over = False
        self._is_reading = False
        self.name = attach.name
        self.client_sends = False
        self.can_be_stolen = True

    def status(self) -> LinkStatus:
        """The state of the link, for listings."""
        return self._sender.status(self._opened.queue.name)

    def answer(self) -> Attach:
        """Our attach."""
        return self._sender.answer()

    def attached(self) -> None:
        """Our attach was sent. The first credit comes from the client."""

    def flowed(self, flow: Flow) -> None:
        """Take over the credit that the client gives, or takes back. Raises LinkFailure."""
        credit = self._sender.credit
        credit.flowed(flow)
        self.offer()
        if flow.echo and not credit.drain:
            self._sender.say(self._opened.queue.ready_count)

    def take(self, events: list[Event], at: int) -> int:
        """Raises SessionFailure: the client may not send over a link on which it receives."""
        raise no_sender(self.name)

    def detached(self, *, closed: bool, by_client: bool) -> None:
        """Stop showing messages."""
        self._is_over = True
        self._sender.stop()
        self._parts.connection.nodes.close(self._opened, closed=closed)

    def stolen(self) -> None:
        """Its container has attached a link of this name elsewhere: detach this one."""
        self._parts.links.detach(self, stolen(self.name))

    def offer(self) -> None:
        """There may be room again."""
        if not self._is_reading:
            self._read_on()

    def withdraw(self) -> None:
        """There is no room: it continues once there is."""

    def _read_on(self) -> None:
        """Show the next messages, while there is room."""
        self._is_reading = False
        sender = self._sender
        while not self._is_over and (room := sender.room()):
            try:
                found = self._browser.read(min(room, MOST))
            except StoreError:
                # It is tried again with the next message that can be read.
                found = []
            if found:
                sender.send([_shown(browsed) for browsed in found])
            elif self._browser.finished:
                break
            else:
                self._is_reading = True
                self._parts.connection.link.broker.when_read(self._read_on)
                return
        if not self._is_over and sender.credit.drain and (not sender.credit.left or self._browser.finished):
            sender.end_drain(0)


def _shown(browsed: Browsed) -> QueuedMessage:
    queued = QueuedMessage(browsed.message, NOBODY, 0)
    queued.count_as(browsed.return_count)
    queued.expire_at(browsed.expires_at)
    return queued
