"""SEND: from a frame to a message in its queues, and the receipt that its producer waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker import KEPT, REFUSED, STORED, Route
from batonmq.broker.publish_headers import asks, check_headers
from batonmq.broker.settings import ARGUMENTS
from batonmq.errors import BrokerError, NotFound, PreconditionFailed, ResourceError
from batonmq.message import Message
from batonmq.protocols.stomp.destinations import (
    EXISTING,
    QUEUE,
    TEMPORARY,
    Destination,
    no_destination,
    parse_destination,
)
from batonmq.protocols.stomp.failures import StompFailure, missing
from batonmq.protocols.stomp.headers import integer, properties_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker.exchanges.base import Target
    from batonmq.properties import Properties
    from batonmq.protocols.stomp.codec import Head
    from batonmq.protocols.stomp.parser import Event
    from batonmq.protocols.stomp.session import StompSession

__all__ = ["PreparedSend", "Sending"]

# Headers that say more about where a message goes than its destination does.
ADDRESSING = frozenset({"auto-delete", "destination-type", "durable", "exclusive", "subscription-type", *ARGUMENTS})
# Destinations whose routes a session keeps.
KNOWN_MAX = 256

# Milliseconds; a time to live ends at 100 years.
EXPIRATION_MAX = 100 * 365 * 24 * 3600 * 1000


class PreparedSend:
    """What the headers of a SEND come to. Kept with them, for all frames that have the same."""

    __slots__ = (
        "destination",
        "exchange",
        "expires",
        "headers",
        "is_plain",
        "properties",
        "route",
        "routing_key",
        "transaction",
    )

    def __init__(
        self, destination: Destination, properties: Properties, headers: dict[str, str], *, expires: int
    ) -> None:
        """``expires`` is in milliseconds of the epoch; 0: never."""
        self.destination = destination
        self.exchange = destination.exchange
        self.routing_key = destination.routing_key
        self.properties = properties
        self.headers = headers
        self.expires = expires
        self.transaction = headers.get("transaction")
        # Nothing about it has to be looked at again, as long as the route stands.
        self.is_plain = properties.plain and not expires and self.transaction is None
        self.route: Route | None = None


class Sending:
    """The publisher's side of a session."""

    __slots__ = ("_known", "_session", "last_route")

    def __init__(self, session: StompSession) -> None:
        self._session = session
        # By the header's text: what the destinations are, and where they lead.
        self._known: dict[str, tuple[Destination, Route]] = {}
        # Where the last message went.
        self.last_route: Route | None = None

    # ------------------------------------------------------------------ the frame

    def take(self, events: list[Event], at: int) -> int:
        """A SEND, and those that follow it to the same queue; tells where the last of them stands.

        1.3 us for each of those with the same headers, 14 us where a correlation-id differs: what it takes to
        understand headers anew. Raises StompFailure, BrokerError.
        """
        head, receipt, body = events[at]
        prepared = self._prepared(head)
        if not self._is_plain(prepared):
            self._send(prepared, receipt, body)
            return at
        route = prepared.route
        assert route is not None
        assert route.queue is not None
        messages: list[Message] = []
        receipts: list[str] = []
        end = len(events)
        while True:
            messages.append(Message(prepared.exchange, prepared.routing_key, prepared.properties, body))
            if receipt is not None:
                receipts.append(receipt)
            at += 1
            if at == end:
                break
            following, receipt, body = events[at]
            if following is not head:
                head = following
                next_prepared = self._next_prepared(head)
                if next_prepared is None or next_prepared.route is not route:
                    break
                prepared = next_prepared
        self.last_route = route
        self._answer(route.queue.publish_all(messages), receipts)
        return at - 1

    def _next_prepared(self, head: Head) -> PreparedSend | None:
        """What a frame behind this one comes to, if it is a plain SEND; what is wrong with it is told in its turn."""
        if head.command != "SEND":
            return None
        try:
            prepared = self._prepared(head)
        except (StompFailure, BrokerError):
            return None
        return prepared if self._is_plain(prepared) else None

    def _prepared(self, head: Head) -> PreparedSend:
        prepared = head.prepared
        if not isinstance(prepared, PreparedSend):
            prepared = head.prepared = self.prepare(head)
        return prepared

    def _is_plain(self, prepared: PreparedSend) -> bool:
        """Is it known to go to one queue that asks for nothing, and to ask for nothing itself?"""
        route = prepared.route
        return (
            prepared.is_plain
            and route is not None
            and route.queue is not None
            and not route.queue.featured
            and route.version == self._session.vhost.version
        )

    def prepare(self, head: Head) -> PreparedSend:
        """Understand the headers. Raises StompFailure, PreconditionFailed."""
        session = self._session
        headers = head.headers
        text = headers.get("destination")
        if text is None:
            raise missing("SEND", "destination")
        if "message-id" in headers and session.dialect.forbids_message_id:
            raise StompFailure("Invalid header", "'message-id' is not allowed on 'SEND'.")
        destination, route = self._look_up(text, headers)
        properties = properties_of(headers, session.dialect, persistent=session.settings.persistent)
        self._check(properties)
        reply_to = headers.get("reply-to", "")
        if reply_to.startswith("/temp-queue/"):
            # Everybody else knows it by another name.
            name = session.declaring.temporary_queue(parse_destination(reply_to, session.dialect, {}))
            table = {name: value for name, value in (properties.headers or {}).items() if name != "reply-to"}
            properties = properties.replace(reply_to=name, headers=table or None)
        if destination.kind == TEMPORARY:
            if not session.dialect.temp_queues_are_destinations:
                raise no_destination(text, "SEND")
            name = session.declaring.temporary_queue(destination, replies=False)
            destination = Destination(text, TEMPORARY, "", name)
        expires = integer("expires", headers["expires"]) if "expires" in headers else 0
        prepared = PreparedSend(destination, properties, headers, expires=max(expires, 0))
        prepared.route = route
        return prepared

    def _look_up(self, text: str, headers: Mapping[str, str]) -> tuple[Destination, Route | None]:
        """What the destination means, and where it leads if that is known. Raises StompFailure."""
        known = self._known.get(text)
        if known is not None and known[1].version == self._session.vhost.version and _add_nothing(headers):
            return known
        return parse_destination(text, self._session.dialect, headers), None

    def _check(self, properties: Properties) -> None:
        user, login = properties.user_id, self._session.user
        if user is not None and user != login.name and "impersonator" not in login.tags:
            raise PreconditionFailed(f"user_id property set to '{user}' but authenticated user was '{login.name}'")
        expiration = properties.expiration
        if expiration is not None and int(expiration) > EXPIRATION_MAX:
            raise PreconditionFailed(f"invalid expiration '{expiration}': more than 100 years")
        if asks(properties):
            check_headers(properties.headers or {}, self._now())

    def _now(self) -> int:
        return int(self._session.broker.clock.time() * 1000)

    # ------------------------------------------------------------------ one by one

    def _send(self, prepared: PreparedSend, receipt: str | None, body: bytes) -> None:
        store = self._session.broker.store
        changes = store.changes
        message = self.message(prepared, body)
        if prepared.transaction is not None:
            # A queue that is not there yet is an error now, or made now.
            self.route(prepared)
            self._session.transactions.send(prepared, message, receipt)
            return
        outcome = self.put(prepared, message)
        if outcome == REFUSED:
            raise StompFailure("Message refused", f"'{prepared.destination.text}' is full and takes no more")
        if outcome == KEPT and store.changes != changes and receipt is not None:
            # The queue that was made for it is on its way to the disk.
            self._session.receipts.answer_after([receipt])
            return
        self._answer(outcome, [receipt] if receipt is not None else [])

    def message(self, prepared: PreparedSend, body: bytes) -> Message:
        """The message of a frame."""
        properties = prepared.properties
        if prepared.expires:
            left = min(max(prepared.expires - self._now(), 0), EXPIRATION_MAX)
            properties = properties.replace(expiration=str(left))
        return Message(prepared.exchange, prepared.routing_key, properties, body)

    def route(self, prepared: PreparedSend) -> Route:
        """Where it goes, declaring what has to be there. Raises BrokerError."""
        session = self._session
        route = prepared.route
        if route is not None and route.version == session.vhost.version:
            return route
        destination = prepared.destination
        if destination.kind == QUEUE:
            session.declaring.shared_queue(destination.routing_key, prepared.headers)
        elif destination.kind in (EXISTING, TEMPORARY) and destination.routing_key not in session.vhost.queues:
            raise NotFound(f"no queue '{destination.routing_key}' in vhost '{session.vhost.name}'")
        # A route stays good while nothing is bound, unbound, declared or deleted in the virtual host.
        route = prepared.route = session.operations.resolve(prepared.exchange, prepared.routing_key)
        if destination.kind != TEMPORARY and _add_nothing(prepared.headers):
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[destination.text] = destination, route
        return route

    def put(self, prepared: PreparedSend, message: Message) -> int:
        """Into the queues; tells KEPT, STORED or REFUSED. Raises BrokerError."""
        return self._session.vhost.publish(message, self.targets(prepared, message))

    def targets(self, prepared: PreparedSend, message: Message) -> list[Target]:
        """The queues that it goes to, all of which can keep it. Raises BrokerError."""
        session = self._session
        route = self.last_route = self.route(prepared)
        targets = route.targets
        if not route.by_key:
            headers = message.properties.headers or {}
            targets = session.vhost.route(route.exchange, [message.routing_key], headers, message.properties)
        store = session.broker.store
        if store.error is not None and message.properties.persistent and any(target.durable for target in targets):
            raise ResourceError(f"the message cannot be kept: {store.error.reason}")
        return targets

    # ------------------------------------------------------------------ receipts

    def _answer(self, outcome: int, receipts: list[str]) -> None:
        waiting = self._session.receipts
        if outcome == STORED:
            waiting.answer_after(receipts)
        else:
            for receipt in receipts:
                waiting.answer(receipt)


def _add_nothing(headers: Mapping[str, str]) -> bool:
    """Do the headers leave it to the destination alone to say where a message goes?"""
    return headers.keys().isdisjoint(ADDRESSING)
