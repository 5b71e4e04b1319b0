"""SEND: from a frame to a message in its queues, and the receipt that its producer waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker import KEPT, REFUSED, STORED, Route
from batonmq.broker.features.length_limit import first_full
from batonmq.broker.features.publish_headers import asks, check_headers
from batonmq.broker.management.target import refuse_requests
from batonmq.broker.model.settings import ARGUMENTS
from batonmq.errors import BrokerError, NotFound, PreconditionFailed, ResourceError
from batonmq.message import Message
from batonmq.properties import HEADERS, NOT_PLAIN
from batonmq.protocols.stomp.composites import parts_of
from batonmq.protocols.stomp.destinations import (
    EXISTING,
    QUEUE,
    TEMPORARY,
    Destination,
    no_destination,
    parse_destination,
)
from batonmq.protocols.stomp.failures import StompFailure, missing
from batonmq.protocols.stomp.headers import OWN_HEADERS, has_time, integer, properties_of, stamped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker.routing.exchanges.base import Target
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
        "others",
        "properties",
        "route",
        "routing_key",
        "stamp",
        "transaction",
    )

    def __init__(
        self, destination: Destination, properties: Properties, headers: dict[str, str], *, expires: int, stamp: int = 0
    ) -> None:
        """``expires`` is in milliseconds of the epoch; 0: never. ``stamp`` is the time in the properties; 0: none."""
        self.destination = destination
        self.exchange = destination.exchange
        self.routing_key = destination.routing_key
        self.properties = properties
        self.headers = headers
        self.expires = expires
        self.transaction = headers.get("transaction")
        # Nothing about it has to be looked at again, as long as the route stands.
        self.is_plain = is_plain(properties) and not expires and self.transaction is None
        self.route: Route | None = None
        # Further destinations of the same message.
        self.others: list[PreparedSend] = []
        # The time that they tell is that of the last SEND.
        self.stamp = stamp

    def properties_at(self, now: int) -> Properties:
        """The properties of a message that is sent now, in milliseconds of the epoch."""
        if self.stamp and now != self.stamp:
            self.properties, self.stamp = stamped(self.properties, now), now
        return self.properties


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
        now = self._now() if self._session.dialect.shows_time else 0
        properties = prepared.properties_at(now)
        while True:
            messages.append(Message(prepared.exchange, prepared.routing_key, properties, body))
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
                properties = prepared.properties_at(now)
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
            and not self._session.subscribing.deaf
        )

    def prepare(self, head: Head) -> PreparedSend:
        """Understand the headers. Raises StompFailure, BrokerError."""
        text = head.headers.get("destination")
        if text is None:
            raise missing("SEND", "destination")
        if not self._session.dialect.has_composites:
            return self._prepare(head, text)
        parts = parts_of(text)
        if len(parts) == 1:
            return self._prepare(head, parts[0])
        prepared, *others = [self._prepare(head, part, origin=text) for part in parts]
        prepared.others = others
        prepared.is_plain = False
        return prepared

    def _prepare(self, head: Head, text: str, origin: str = "") -> PreparedSend:
        """For one destination; ``origin`` is all that the frame names, if that is more."""
        session = self._session
        headers = head.headers
        if "message-id" in headers and session.dialect.forbids_message_id:
            raise StompFailure("Invalid header", "'message-id' is not allowed on 'SEND'.")
        destination, route = self._look_up(text, headers)
        text_like = bool(session.dialect.tells_text) and not head.is_sized and headers.get("amq-msg-type") != "bytes"
        now = self._now() if session.dialect.shows_time and not has_time(headers) else 0
        properties = properties_of(
            headers, session.dialect, persistent=session.settings.persistent, is_text=text_like, now=now
        )
        if origin:
            properties = properties.replace(headers={**(properties.headers or {}), "original-destination": origin})
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
        prepared = PreparedSend(destination, properties, headers, expires=max(expires, 0), stamp=now)
        prepared.route = route
        if route is not None:
            prepared.exchange = route.exchange.name
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
        every = (prepared, *prepared.others)
        # A queue that is not there yet is an error now, or made now.
        for each in every:
            self.route(each)
        sends = [(each, self.message(each, body)) for each in every]
        if prepared.transaction is not None:
            for each in every:
                refuse_requests(self.route(each).targets)
            self._session.transactions.send(sends, receipt)
            return
        if prepared.others:
            # To all of them or to none.
            self.check(sends)
        outcomes = [self.put(each, message) for each, message in sends]
        outcome = REFUSED if REFUSED in outcomes else max(outcomes)
        if outcome == REFUSED:
            raise StompFailure("Message refused", f"'{prepared.destination.text}' is full and takes no more")
        if outcome == KEPT and store.changes != changes and receipt is not None:
            # The queue that was made for it is on its way to the disk.
            self._session.receipts.answer_after([receipt])
            return
        self._answer(outcome, [receipt] if receipt is not None else [])

    def message(self, prepared: PreparedSend, body: bytes) -> Message:
        """The message of a frame."""
        properties = prepared.properties_at(self._now() if self._session.dialect.shows_time else 0)
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
        destination = session.declaring.resolved(prepared.destination)
        prepared.exchange = destination.exchange
        if destination.kind == QUEUE:
            name, address = destination.routing_key, destination.address
            session.declaring.shared_queue(name, prepared.headers, address=address)
        elif destination.kind in (EXISTING, TEMPORARY) and destination.routing_key not in session.vhost.queues:
            raise NotFound(f"no queue '{destination.routing_key}' in vhost '{session.vhost.name}'")
        # A route stays good while nothing is bound, unbound, declared or deleted in the virtual host.
        route = prepared.route = session.operations.resolve(prepared.exchange, prepared.routing_key)
        if destination.kind != TEMPORARY and _add_nothing(prepared.headers):
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[destination.text] = prepared.destination, route
        return route

    def put(self, prepared: PreparedSend, message: Message) -> int:
        """Into the queues; tells KEPT, STORED or REFUSED. Raises BrokerError."""
        return self._session.vhost.publish(message, self.targets(prepared, message))

    def check(self, sends: list[tuple[PreparedSend, Message]]) -> None:
        """Can all of it be sent? Raises StompFailure, BrokerError."""
        routed = [(self.targets(prepared, message), message) for prepared, message in sends]
        full = first_full(routed, int(self._session.broker.clock.time() * 1000))
        if full is not None:
            raise StompFailure("Message refused", f"queue '{full.name}' is too full for it")

    def targets(self, prepared: PreparedSend, message: Message) -> list[Target]:
        """The queues that it goes to, all of which can keep it. Raises BrokerError."""
        session = self._session
        route = self.last_route = self.route(prepared)
        targets = route.targets
        if not route.by_key:
            headers = message.properties.headers or {}
            targets = session.vhost.route(route.exchange, [message.routing_key], headers, message.properties)
        if session.subscribing.deaf:
            targets = [target for target in targets if target not in session.subscribing.deaf]
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


def is_plain(properties: Properties) -> bool:
    """Is there nothing that a queue without features would look at? Headers of our own are nothing of the kind."""
    if properties.plain:
        return True
    return not properties.flags & NOT_PLAIN & ~HEADERS and (properties.headers or {}).keys() <= OWN_HEADERS


def _add_nothing(headers: Mapping[str, str]) -> bool:
    """Do the headers leave it to the destination alone to say where a message goes?"""
    return headers.keys().isdisjoint(ADDRESSING)
