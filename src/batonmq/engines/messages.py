"""A message as a program sends and receives it: a body of bytes with properties."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar, overload

import msgspec

from batonmq.engines.checks import TEXT_MAX, check_flag, check_number, check_seconds, check_text, check_unicode
from batonmq.engines.models import from_model, into_model
from batonmq.fields import FieldError, FieldValue
from batonmq.properties import Properties

__all__ = ["HeaderValue", "Message", "encode_json", "encode_msgpack"]

T = TypeVar("T")

HeaderValue = FieldValue
"""What a header may hold: text, numbers, booleans, bytes, None, and lists and mappings of these."""

# The header that holds the delay of a message, in milliseconds.
DELAY = "x-delay"
# The header that holds a message's group in BatonMQ, and the one of ActiveMQ's and Artemis' clients.
GROUP, GROUP_OF_JMS = "x-group", "JMSXGroupID"
TEXTS = ("id", "content_type", "correlation_id", "reply_to", "type")
NO_TEXTS = (None,) * len(TEXTS)

# The properties of most messages: durable or not, and nothing else.
DURABLE_PLAIN = Properties.make(delivery_mode=2)
TRANSIENT_PLAIN = Properties.make(delivery_mode=1)


class Message:
    """A body of bytes with properties. Immutable.

    A property that the sender did not set is None. Times are in seconds; ``created_at`` is in whole seconds, as in the
    protocol.
    """

    __slots__ = ("body", "delay", "properties")

    body: bytes
    properties: Properties
    """Everything but the body, in the form of AMQP 0-9-1 (section 4.2.6.1), as it is stored and sent."""
    delay: float
    """Seconds before a message that is sent becomes ready; 0 in a received message."""

    def __init__(
        self,
        body: bytes,
        *,
        id: str | None = None,  # noqa: A002  (the noun of every specification)
        headers: Mapping[str, HeaderValue] | None = None,
        content_type: str | None = None,
        correlation_id: str | None = None,
        reply_to: str | None = None,
        type: str | None = None,  # noqa: A002
        priority: int = 0,
        ttl: float | None = None,
        delay: float = 0.0,
        group: str | None = None,
        created_at: datetime | None = None,
        durable: bool = True,
    ) -> None:
        """Create a message to send. Each text has at most 255 bytes in UTF-8.

        ``id``: the application's identifier.
        ``headers``: the application's headers: text, numbers, booleans, bytes, None, and lists and mappings of these.
        ``content_type``: the media type of the body.
        ``correlation_id``: ties a reply to its request.
        ``reply_to``: the queue for the reply; ``request`` sets it by itself.
        ``type``: the application's name for the kind of message.
        ``priority``: 0 to 255, higher first, in queues declared with ``max_priority``.
        ``ttl``: seconds after which the message expires unless a receiver takes it, 0 or more; None: never.
        ``delay``: seconds before the message becomes ready, 0 or more.
        ``group``: messages of one group are held by one receiver at a time, in order. 1 to 255 bytes; carried in the
        header ``x-group``.
        ``created_at``: when the application made the message; without a time zone it is taken as UTC.
        ``durable``: the message survives a restart, in a durable queue.

        Raises TypeError for a value of the wrong type, and ValueError for one out of its range.
        """
        if not isinstance(body, bytes):
            raise TypeError(f"a body is bytes, not {body.__class__.__name__}: encode text, or use send_json")
        self.body = body
        # Most have no delay and are durable: what checks the two is not called for them.
        self.delay = 0.0 if delay.__class__ is float and not delay else check_seconds("delay", delay)
        if durable is not True:
            check_flag("durable", durable)
        if headers is not None and not isinstance(headers, Mapping):
            raise TypeError(f"headers is a mapping of str to values, not {headers.__class__.__name__}")
        if headers:
            check_unicode("headers", headers)
        if group is not None:
            if not check_text("group", group):
                raise ValueError(f"a group's name has 1 to {TEXT_MAX} bytes in UTF-8")
            headers = {**(headers or {}), GROUP: group}
        texts = (id, content_type, correlation_id, reply_to, type)
        if texts == NO_TEXTS and not headers and created_at is None and ttl is None and not priority:
            self.properties = DURABLE_PLAIN if durable else TRANSIENT_PLAIN
            return
        for name, text in zip(TEXTS, texts, strict=True):
            if text is not None:
                check_text(name, text)
        check_number("priority", priority, 0, 255)
        if created_at is not None and not isinstance(created_at, datetime):
            raise TypeError(f"created_at is a datetime, not {created_at.__class__.__name__}")
        try:
            self.properties = Properties.make(
                content_type=content_type,
                headers=headers or None,
                delivery_mode=2 if durable else 1,
                priority=priority or None,
                correlation_id=correlation_id,
                reply_to=reply_to,
                expiration=None if ttl is None else str(round(check_seconds("ttl", ttl) * 1000)),
                message_id=id,
                timestamp=created_at,
                type=type,
            )
        except FieldError as error:
            raise ValueError(str(error)) from None

    @property
    def id(self) -> str | None:
        """The application's identifier."""
        return self.properties.message_id

    @property
    def headers(self) -> dict[str, HeaderValue]:
        """The application's headers; decoded on each access."""
        return self.properties.headers or {}

    @property
    def group(self) -> str | None:
        """The message's group, from the header ``x-group`` or, set by JMS clients, ``JMSXGroupID``; None: no group."""
        properties = self.properties
        if not (properties.mentions(b"x-group") or properties.mentions(b"JMSXGroupID")):
            return None
        headers = self.headers
        for name in (GROUP, GROUP_OF_JMS):
            value = headers.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return str(value)
        return None

    @property
    def content_type(self) -> str | None:
        """The media type of the body."""
        return self.properties.content_type

    @property
    def correlation_id(self) -> str | None:
        """Ties a reply to its request."""
        return self.properties.correlation_id

    @property
    def reply_to(self) -> str | None:
        """The queue for the reply."""
        return self.properties.reply_to

    @property
    def type(self) -> str | None:
        """The application's name for the kind of message."""
        return self.properties.type

    @property
    def priority(self) -> int:
        """0 to 255, higher first."""
        return self.properties.priority

    @property
    def ttl(self) -> float | None:
        """The time to live that the message was sent with, in seconds; None: no limit."""
        expiration = self.properties.expiration
        return (
            int(expiration) / 1000 if expiration is not None and expiration.isascii() and expiration.isdigit() else None
        )

    @property
    def created_at(self) -> datetime | None:
        """When the application made the message, in UTC; also None for a time outside the years 1 to 9999.

        ``properties.timestamp`` is the number as it was sent.
        """
        timestamp = self.properties.timestamp
        try:
            return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
        except (ValueError, OverflowError, OSError):
            return None

    @property
    def durable(self) -> bool:
        """True if the message survives a restart, in a durable queue."""
        return self.properties.persistent

    @property
    def text(self) -> str:
        """The body decoded as UTF-8. Raises UnicodeDecodeError."""
        return self.body.decode()

    @overload
    def json(self) -> object: ...
    @overload
    def json(self, into: builtins.type[T]) -> T: ...
    def json(self, into: builtins.type[T] | None = None) -> T | object:
        """Decode the body as JSON.

        ``into``: the type to return, which validates the body: a dataclass, a msgspec Struct, a pydantic model,
        ``dict[str, int]`` and the like. None: plain dicts, lists, strings and numbers.

        Raises ValueError: msgspec.DecodeError for a body that is not JSON or is nested too deep, and
        msgspec.ValidationError for a body that does not fit the type, or a type that cannot be made from JSON.
        """
        try:
            if into is None:
                plain: object = msgspec.json.decode(self.body)
                return plain
            return msgspec.json.decode(self.body, type=into, dec_hook=into_model)
        except (UnicodeDecodeError, RecursionError) as error:
            raise msgspec.DecodeError(f"the body is no JSON that can be read: {error}") from None

    @overload
    def msgpack(self) -> object: ...
    @overload
    def msgpack(self, into: builtins.type[T]) -> T: ...
    def msgpack(self, into: builtins.type[T] | None = None) -> T | object:
        """Decode the body as MessagePack. The argument and the errors are those of ``json``."""
        try:
            if into is None:
                plain: object = msgspec.msgpack.decode(self.body)
                return plain
            return msgspec.msgpack.decode(self.body, type=into, dec_hook=into_model)
        except (UnicodeDecodeError, RecursionError) as error:
            raise msgspec.DecodeError(f"the body is no MessagePack that can be read: {error}") from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return (self.body, self.properties, self.delay) == (other.body, other.properties, other.delay)

    def __hash__(self) -> int:
        return hash((self.body, self.properties))

    def __repr__(self) -> str:
        body = repr(self.body) if len(self.body) <= 40 else f"{self.body[:32]!r}... {len(self.body)} bytes"
        identity = f" {self.id!r}" if self.id is not None else ""
        return f"<Message{identity} {body}>"


def received_message(body: bytes, properties: Properties, delay: float = 0.0) -> Message:
    """Create a message that an engine has read. ``delay``: in seconds, if it is to be sent on."""
    message = Message.__new__(Message)
    message.body = body
    message.properties = properties
    message.delay = delay
    return message


def delayed_properties(message: Message) -> Properties:
    """The properties, with the delay in the header ``x-delay``, in milliseconds, for BatonMQ's broker."""
    properties = message.properties
    if not message.delay:
        return properties
    return properties.replace(headers={**(properties.headers or {}), DELAY: round(message.delay * 1000)})


def encode_json(value: object) -> bytes:
    """A value as JSON. Raises TypeError for a value that JSON cannot hold."""
    return msgspec.json.encode(value, enc_hook=from_model)


def encode_msgpack(value: object) -> bytes:
    """A value as MessagePack. Raises TypeError for a value that it cannot hold."""
    return msgspec.msgpack.encode(value, enc_hook=from_model)
