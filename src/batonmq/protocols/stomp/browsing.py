"""browser:true on SUBSCRIBE: everything that is ready in a queue, shown and not taken, with an end (ActiveMQ's)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.errors import StoreError
from batonmq.protocols.stomp.codec import V10, V12, encode_frame
from batonmq.protocols.stomp.destinations import Destination, shown_address
from batonmq.protocols.stomp.headers import is_text, shown_headers
from batonmq.protocols.stomp.messages import message_template

if TYPE_CHECKING:
    from batonmq.broker.queues.browsing import Browsed, Browser
    from batonmq.protocols.stomp.session import StompSession

__all__ = ["Browsing"]

# Messages that are asked for in one go.
MOST: Final = 500


class Browsing:
    """One SUBSCRIBE with browser:true. What it shows is not held by anybody, and there is nothing to acknowledge."""

    __slots__ = ("_browser", "_is_reading", "destination", "has_ack", "id", "is_over", "number", "session")

    def __init__(
        self,
        session: StompSession,
        browser: Browser,
        *,
        shown_id: str | None,
        destination: Destination,
        has_ack: bool,
    ) -> None:
        """``has_ack``: clients that asked for acknowledgements find an ack header; an ACK of it does nothing."""
        self.session = session
        self.id = shown_id
        self.destination = destination
        self.number = session.new_number()
        self.has_ack = has_ack and session.version == V12
        self.is_over = False
        self._browser = browser
        self._is_reading = False

    def read_on(self) -> None:
        """Show what comes next, while there is room for it."""
        session = self.session
        self._is_reading = False
        while not self.is_over and session.unsent < session.unsent_max:
            try:
                found = self._browser.read(MOST)
            except StoreError:
                # It is looked at again with the next message that can be read.
                found = []
            if found:
                self._show(found)
            elif self._browser.finished:
                self._end()
            else:
                self._is_reading = True
                session.broker.when_read(self.read_on)
                return

    def offer(self) -> None:
        """There may be room again."""
        if not self.is_over and not self._is_reading:
            self.read_on()

    def stop(self) -> None:
        """Nothing more is shown."""
        self.is_over = True

    def _headers(self, exchange: str, routing_key: str) -> list[tuple[str, str]]:
        dialect = self.session.dialect
        name = self.destination.text if dialect.names_queues_as_asked else shown_address(exchange, routing_key, dialect)
        headers = [("destination", name)]
        if self.id is not None:
            headers.insert(0, ("subscription", self.id))
        return headers

    def _show(self, found: list[Browsed]) -> None:
        session = self.session
        prefix = f"{session.id}.{self.number}."
        for browsed in found:
            message = browsed.message
            headers = self._headers(message.exchange, message.routing_key)
            dialect = session.dialect
            if browsed.return_count or dialect.shows_redelivered:
                headers.append(("redelivered", "true" if browsed.return_count else "false"))
            if dialect.shows_expires and (browsed.expires_at > 0 or dialect.shows_defaults):
                headers.append(("expires", str(max(browsed.expires_at, 0))))
            headers += shown_headers(message.properties, dialect)
            text = session.version in dialect.tells_text and is_text(message.properties) and b"\0" not in message.body
            template = message_template(prefix, headers, session.version, has_ack=self.has_ack, is_text=text)
            session.last_tag = tag = session.last_tag + 1
            ids = (tag, tag) if self.has_ack else (tag,)
            session.send(template % (*ids, message.size, message.body))

    def _end(self) -> None:
        """ActiveMQ's mark: an empty message that says so."""
        self.is_over = True
        session = self.session
        headers = [*self._headers("", self.destination.routing_key), ("message-id", "0"), ("browser", "end")]
        if self.has_ack:
            headers.append(("ack", "0"))
        session.send(encode_frame("MESSAGE", headers, version=session.version or V10))
