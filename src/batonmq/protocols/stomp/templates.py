"""Templates for the MESSAGE frames of one subscription: the common part of similar messages is built once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.features.expiry import NOW_OR_NEVER
from batonmq.protocols.sessions.customs import BY_REASON
from batonmq.protocols.sessions.topics import TOPIC_EXCHANGE
from batonmq.protocols.stomp.destinations import QUEUE, Destination, shown_address
from batonmq.protocols.stomp.message_headers import shown_headers
from batonmq.protocols.stomp.messages import message_template
from batonmq.protocols.stomp.properties import is_text

if TYPE_CHECKING:
    from batonmq.message import Message
    from batonmq.protocols.stomp.terms import Terms
    from batonmq.queued import QueuedMessage

__all__ = ["Templates"]

# The number of cached templates: up to this many kinds of messages in turn cost no more than one.
TEMPLATES_MAX: Final = 64


class Templates:
    """Finds the template of a message, see ``message_template``; ``choose`` leaves it in ``current``.

    ``properties``, ``exchange`` and ``routing_key`` are those of the message that it was chosen for. Messages of one
    publisher share them, so that identity tells that nothing has to be chosen anew.
    """

    __slots__ = (
        "_destination",
        "_has_ack",
        "_id",
        "_known",
        "_prefix",
        "_queue",
        "_terms",
        "current",
        "exchange",
        "is_text",
        "properties",
        "routing_key",
    )

    def __init__(
        self, terms: Terms, prefix: str, *, shown_id: str | None, destination: Destination, queue: str, has_ack: bool
    ) -> None:
        """``prefix`` comes before the number in the ids of deliveries, ``queue`` is the name of where they are from."""
        self._terms = terms
        self._prefix = prefix
        self._id = shown_id
        self._destination = destination
        self._queue = queue
        self._has_ack = has_ack
        self._known: dict[tuple[bytes, str, str], tuple[bytes, bool]] = {}
        self.current = b""
        self.is_text = False
        """Is it a template for text without content-length?"""
        self.properties: object = None
        self.exchange = self.routing_key = ""

    def choose(self, message: Message) -> None:
        """Choose the template for messages like this one, on first delivery and without a time to live."""
        key = (message.properties.raw, message.exchange, message.routing_key)
        known = self._known.get(key)
        if known is None:
            dialect = self._terms.dialect
            headers = self._frame_headers(message)
            if dialect.shows_redelivered:
                headers.append(("redelivered", "false"))
            if dialect.shows_defaults:
                headers.append(("expires", "0"))
            text = self._terms.version in dialect.tells_text and is_text(message.properties)
            known = self._made(headers + shown_headers(message.properties, dialect), is_text=text), text
            if len(self._known) >= TEMPLATES_MAX:
                self._known.clear()
            self._known[key] = known
        self.current, self.is_text = known
        self.properties, self.exchange, self.routing_key = message.properties, message.exchange, message.routing_key

    def special(self, queued: QueuedMessage, *, is_text: bool) -> bytes:
        """The head for a message that came back, expires, or is wrongly marked as text."""
        dialect = self._terms.dialect
        message = queued.message
        headers = self._frame_headers(message)
        if queued.returns:
            headers.append(("redelivered", "true"))
            # The delivery count, this time included (JMS 2.0 §3.5.11).
            headers.append(("JMSXDeliveryCount", str(queued.return_count + 1)))
        elif dialect.shows_redelivered:
            headers.append(("redelivered", "false"))
        # The mark for a time to live of 0 is not a time, and is not shown.
        expires = queued.expires_at if queued.expires_at > NOW_OR_NEVER else 0
        if dialect.shows_expires and (expires or dialect.shows_defaults):
            headers.append(("expires", str(expires)))
        return self._made(headers + shown_headers(message.properties, dialect), is_text=is_text)

    def _frame_headers(self, message: Message) -> list[tuple[str, str]]:
        destination = self._destination
        dialect = self._terms.dialect
        if dialect.names_queues_as_asked and (
            (message.exchange == "" and message.routing_key == self._queue) or message.exchange == BY_REASON
        ):
            shown = destination.text
        elif dialect.has_bare_names and message.exchange in ("", TOPIC_EXCHANGE) and destination.text[:1] != "/":
            shown = message.routing_key
        else:
            shown = shown_address(message.exchange, message.routing_key, dialect)
        headers = [("destination", shown)]
        if dialect.customs.has_virtual_topics and destination.kind == QUEUE and shown != destination.text:
            # It came to this queue through a topic.
            headers = [("destination", destination.text), ("original-destination", shown)]
        if self._id is not None:
            headers.insert(0, ("subscription", self._id))
        return headers

    def _made(self, headers: list[tuple[str, str]], *, is_text: bool) -> bytes:
        return message_template(self._prefix, headers, self._terms.version, has_ack=self._has_ack, is_text=is_text)
