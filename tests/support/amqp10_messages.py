"""Messages of AMQP 1.0 as they are on the wire, and what a client reads of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batonmq.message import Message
from batonmq.protocols.amqp10.codec.performatives import Header, MessageProperties
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import Symbol, encode
from batonmq.queued import QueuedMessage, Settlement
from tests.support.driven import Driven

DATA, SEQUENCE, VALUE = b"\x00Su", b"\x00Sv", b"\x00Sw"


def build(
    *,
    header: Header | None = None,
    delivery_annotations: Mapping[str, object] | None = None,
    annotations: Mapping[str, object] | None = None,
    properties: MessageProperties | None = None,
    application: Mapping[str, object] | None = None,
    body: bytes = DATA + b"\xa0\x04body",
    footer: Mapping[str, object] | None = None,
) -> bytes:
    """A message of these sections; ``body`` are its sections as they are."""
    parts = []
    if header is not None:
        parts.append(header.encoded())
    if delivery_annotations is not None:
        parts.append(b"\x00Sq" + symbols(delivery_annotations))
    if annotations is not None:
        parts.append(b"\x00Sr" + symbols(annotations))
    if properties is not None:
        parts.append(properties.encoded())
    if application is not None:
        parts.append(b"\x00St" + encode(dict(application)))
    parts.append(body)
    if footer is not None:
        parts.append(b"\x00Sx" + symbols(footer))
    return b"".join(parts)


def symbols(values: Mapping[str, object]) -> bytes:
    return encode({Symbol(name): value for name, value in values.items()})


def data(body: bytes) -> bytes:
    """A section of data."""
    return DATA + encode(body)


def value(body: object) -> bytes:
    """A section of one value."""
    return VALUE + encode(body)


@dataclass
class Read:
    """What a client reads."""

    header: Header
    annotations: dict[object, object]
    properties: MessageProperties
    application: dict[object, object]
    bodies: list[object]
    footer: dict[object, object]
    bare: bytes
    """The bare message and the footer."""
    data: bytes = field(repr=False)


def read(message: bytes) -> Read:
    sections = Sections(message)
    return Read(
        sections.header() or Header(),
        sections.message_annotations(),
        sections.properties() or MessageProperties(),
        sections.application_properties(),
        sections.body_values(),
        sections.footer(),
        message[sections.bare_at :],
        message,
    )


def queued(message: Message, *, return_count: int = 0, expires_at: int = 0) -> QueuedMessage:
    """A message in some queue."""
    settlement: Settlement = Driven(None).queue("q")
    made = QueuedMessage(message, settlement, 1)
    made.count_as(return_count)
    made.expire_at(expires_at)
    return made
