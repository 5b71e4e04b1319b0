"""Parses and checks the headers of a SEND, so that errors are found before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.publish_headers import asks, check_headers
from batonmq.broker.model.settings import TIME_MAX
from batonmq.errors import PreconditionFailed
from batonmq.protocols.stomp.composites import parts_of
from batonmq.protocols.stomp.destinations import TEMPORARY, Destination, no_destination, parse_destination
from batonmq.protocols.stomp.failures import StompFailure, missing
from batonmq.protocols.stomp.headers import has_time, integer
from batonmq.protocols.stomp.prepared_send import PreparedSend
from batonmq.protocols.stomp.properties import properties_of
from batonmq.protocols.stomp.publishing import Publishing

if TYPE_CHECKING:
    from batonmq.broker import Operations
    from batonmq.properties import Properties
    from batonmq.protocols.stomp.codec import Head
    from batonmq.protocols.stomp.consuming import Consuming
    from batonmq.protocols.stomp.declaring import Declaring
    from batonmq.protocols.stomp.terms import Terms

__all__ = ["Preparing"]


class Preparing:
    """Prepares what one connection sends."""

    __slots__ = ("_consuming", "_declaring", "_operations", "_publishing", "_terms")

    def __init__(
        self,
        terms: Terms,
        operations: Operations,
        declaring: Declaring,
        consuming: Consuming,
        publishing: Publishing,
    ) -> None:
        self._terms = terms
        self._operations = operations
        self._declaring = declaring
        self._consuming = consuming
        self._publishing = publishing

    def prepared(self, head: Head) -> PreparedSend:
        """What a SEND comes to, understood once for all with these headers. Raises StompFailure, BrokerError."""
        prepared = head.prepared
        if not isinstance(prepared, PreparedSend):
            prepared = self._like_others(head) or self._prepare_all(head)
            head.keep(prepared)
        return prepared

    def _like_others(self, head: Head) -> PreparedSend | None:
        """Prepare a SEND from a known one that differs only in its correlation-id; None: that is not possible.

        It takes a third of the time of parsing all headers.
        """
        like = head.like
        if like is None:
            return None
        known = self.prepared(like)
        if not known.is_plain:
            return None
        if not self._publishing.is_plain(known):
            # It may be known by now where it leads.
            known = self._prepare_all(like)
            like.keep(known)
        now = self._publishing.now() if self._terms.dialect.shows_time else 0
        return known.correlated(head.headers["correlation-id"], now)

    def _prepare_all(self, head: Head) -> PreparedSend:
        text = head.headers.get("destination")
        if text is None:
            raise missing("SEND", "destination")
        if not self._terms.dialect.has_composites:
            return self._prepare(head, text)
        parts = parts_of(text)
        if len(parts) == 1:
            return self._prepare(head, parts[0])
        prepared, *others = [self._prepare(head, part, origin=text) for part in parts]
        prepared.also(others)
        return prepared

    def _prepare(self, head: Head, text: str, origin: str = "") -> PreparedSend:
        """For one destination; ``origin`` is all that the frame names, if that is more."""
        headers, dialect = head.headers, self._terms.dialect
        if "message-id" in headers and dialect.forbids_message_id:
            raise StompFailure("Invalid header", "'message-id' is not allowed on 'SEND'.")
        destination, route = self._publishing.look_up(text, headers)
        text_like = bool(dialect.tells_text) and not head.is_sized and headers.get("amq-msg-type") != "bytes"
        now = self._publishing.now() if dialect.shows_time and not has_time(headers) else 0
        persistent = self._terms.settings.persistent
        properties = properties_of(headers, dialect, persistent=persistent, is_text=text_like, now=now)
        if origin:
            properties = properties.replace(headers={**(properties.headers or {}), "original-destination": origin})
        self._check(properties)
        reply_to = headers.get("reply-to", "")
        if reply_to.startswith("/temp-queue/"):
            # Everybody else knows it by another name.
            table = {name: value for name, value in (properties.headers or {}).items() if name != "reply-to"}
            properties = properties.replace(reply_to=self._reply_queue(reply_to), headers=table or None)
        if destination.kind == TEMPORARY:
            if not dialect.temp_queues_are_destinations:
                raise no_destination(text, "SEND")
            name = self._declaring.temporary_queue(destination.routing_key)
            destination = Destination(text, TEMPORARY, "", name)
        expires = integer("expires", headers["expires"]) if "expires" in headers else 0
        return PreparedSend(destination, properties, headers, expires=max(expires, 0), stamp=now, route=route)

    def _reply_queue(self, reply_to: str) -> str:
        """The name of the temporary queue that the client calls so; its replies come, if the dialect has it so."""
        destination = parse_destination(reply_to, self._terms.dialect, {})
        name = self._declaring.temporary_queue(destination.routing_key)
        if self._terms.dialect.subscribes_to_replies:
            self._consuming.bring_replies(destination, name)
        return name

    def _check(self, properties: Properties) -> None:
        user, login = properties.user_id, self._operations.user
        if user is not None and user != login.name and "impersonator" not in login.tags:
            raise PreconditionFailed(f"user_id property set to '{user}' but authenticated user was '{login.name}'")
        expiration = properties.expiration
        if expiration is not None and int(expiration) > TIME_MAX:
            raise PreconditionFailed(f"invalid expiration '{expiration}': more than 100 years")
        if asks(properties):
            check_headers(properties.headers or {}, self._publishing.now())
