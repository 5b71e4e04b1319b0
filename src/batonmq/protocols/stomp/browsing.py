"""browser:true on SUBSCRIBE: shows all ready messages of a queue without taking them, then ends (ActiveMQ's)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.errors import StoreError
from batonmq.protocols.stomp.codec import V12, encode_frame
from batonmq.protocols.stomp.destinations import Destination, shown_address
from batonmq.protocols.stomp.message_headers import shown_headers
from batonmq.protocols.stomp.messages import message_template
from batonmq.protocols.stomp.properties import is_text
from batonmq.protocols.stomp.subscribe_request import AUTO, SubscribeRequest

if TYPE_CHECKING:
    from batonmq.broker.queues.browsing import Browsed, Browser
    from batonmq.protocols.sessions.link import Link
    from batonmq.protocols.stomp.delivery_ids import DeliveryIds
    from batonmq.protocols.stomp.parser import Event
    from batonmq.protocols.stomp.subscription import Subscription
    from batonmq.protocols.stomp.terms import Terms

__all__ = ["Browsing"]

# Messages requested at once.
MOST: Final = 500


class Browsing:
    """One SUBSCRIBE with browser:true. Its messages are not held by anybody, and need no acknowledgement."""

    __slots__ = (
        "_browser",
        "_has_ack",
        "_ids",
        "_is_over",
        "_is_reading",
        "_link",
        "_terms",
        "destination",
        "id",
        "number",
    )

    def __init__(
        self, link: Link[Event], terms: Terms, ids: DeliveryIds, browser: Browser, request: SubscribeRequest
    ) -> None:
        self.id = request.id
        self.destination: Destination = request.destinations[0]
        self.number = ids.new_subscription()
        # Clients that asked for acknowledgements find an ack header; an ACK of it does nothing.
        self._has_ack = request.mode != AUTO and terms.version == V12
        self._link = link
        self._terms = terms
        self._ids = ids
        self._browser = browser
        self._is_over = False
        self._is_reading = False

    def offer(self) -> None:
        """There may be room again."""
        if not self._is_over and not self._is_reading:
            self._read_on()

    def stop(self) -> list[Subscription]:
        """Stop; nothing is unsettled."""
        self._is_over = True
        return []

    def _read_on(self) -> None:
        """Show the next messages, while there is room."""
        output = self._link.output
        self._is_reading = False
        while not self._is_over and output.unsent < output.limit:
            try:
                found = self._browser.read(MOST)
            except StoreError:
                # It is tried again with the next message that can be read.
                found = []
            if found:
                for browsed in found:
                    self._show(browsed)
            elif self._browser.finished:
                self._end()
            else:
                self._is_reading = True
                self._link.broker.when_read(self._read_on)
                return

    def _headers(self, exchange: str, routing_key: str) -> list[tuple[str, str]]:
        dialect = self._terms.dialect
        name = self.destination.text if dialect.names_queues_as_asked else shown_address(exchange, routing_key, dialect)
        headers = [("destination", name)]
        if self.id is not None:
            headers.insert(0, ("subscription", self.id))
        return headers

    def _show(self, browsed: Browsed) -> None:
        message = browsed.message
        dialect, version = self._terms.dialect, self._terms.version
        headers = self._headers(message.exchange, message.routing_key)
        if browsed.returns or dialect.shows_redelivered:
            headers.append(("redelivered", "true" if browsed.returns else "false"))
        if dialect.shows_expires and (browsed.expires_at > 0 or dialect.shows_defaults):
            headers.append(("expires", str(max(browsed.expires_at, 0))))
        headers += shown_headers(message.properties, dialect)
        text = version in dialect.tells_text and is_text(message.properties) and b"\0" not in message.body
        prefix = self._ids.prefix(self.number)
        template = message_template(prefix, headers, version, has_ack=self._has_ack, is_text=text)
        tag = self._ids.reserve(1) + 1
        ids = (tag, tag) if self._has_ack else (tag,)
        self._link.output.send(template % (*ids, message.size, message.body))

    def _end(self) -> None:
        """ActiveMQ's mark of the end: an empty message."""
        self._is_over = True
        headers = [*self._headers("", self.destination.routing_key), ("message-id", "0"), ("browser", "end")]
        if self._has_ack:
            headers.append(("ack", "0"))
        self._link.output.send(encode_frame("MESSAGE", headers, version=self._terms.version))
