"""The sections before a message's body as properties of AMQP 0-9-1: as in RabbitMQ 4, and those that it drops.

========================  ==========================================================================================
AMQP 1.0                  0-9-1
========================  ==========================================================================================
durable, priority, ttl    delivery-mode 2 if true, priority, expiration
message-id                message-id; a uuid as urn:uuid: and its digits, a ulong as its digits; the header
                          x-message-id for a binary one, and one above 255 octets
correlation-id            the same: correlation-id, x-correlation-id
user-id                   user-id, if it is text without NUL and fits; else the header x-user-id
to                        nothing: exchange and routing key say it
subject                   type, unless the annotation x-basic-type says another; the header x-subject, if the type says
                          that the body is in sections
reply-to                  reply-to; the address of a queue becomes its name
content-type, -encoding   the same
absolute-expiry-time      expiration, where there is no ttl
creation-time             timestamp, in seconds; with milliseconds also the header timestamp_in_ms
group-id                  app-id, and the header JMSXGroupID, by which the broker groups messages
group-sequence            the header JMSXGroupSeq
reply-to-group-id         the header x-reply-to-group-id
========================  ==========================================================================================

A text above 255 octets becomes a header: ``x-`` and its name in AMQP 1.0. `tables` is about annotations and
application properties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.fields import LongLong, UnsignedInt
from batonmq.properties import AMQP10_TYPE, SUBJECT, Properties, PropertyValues
from batonmq.protocols.amqp10.codec.sections import DATA, VALUE
from batonmq.protocols.amqp10.messages.headers import said_by_header
from batonmq.protocols.amqp10.messages.identifiers import fits, id_as_text, reply_as_text
from batonmq.protocols.amqp10.messages.tables import (
    GROUP,
    GROUP_SEQUENCE,
    IN_MILLISECONDS,
    REPLY_TO_GROUP,
    Table,
    read_table,
)

if TYPE_CHECKING:
    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp10.codec.performatives import MessageProperties
    from batonmq.protocols.amqp10.codec.sections import Sections
    from batonmq.protocols.amqp10.messages.direct import DirectReader

__all__ = ["Head", "headers_of"]

BASIC_TYPE: Final = "x-basic-type"

PERSISTENT: Final = 2
# The descriptors of data, sequences and values.
_BODIES: Final = (b"\x00Su", b"\x00Sv", b"\x00Sw")
DIGITS_MAX: Final = 19


class Head:
    """Everything before a message's body, read once for all messages that have the same."""

    __slots__ = (
        "_encoded",
        "expires_at",
        "is_complete",
        "may_come_again",
        "prefix",
        "properties",
        "raw",
        "short",
        "size",
        "skip",
        "subject",
        "to",
        "wide",
    )

    def __init__(
        self, sections: Sections, *, is_durable: bool, encodes_values: bool, direct: DirectReader | None = None
    ) -> None:
        """Raises DecodeError.

        ``is_durable``: is a message that does not say whether it is? ``encodes_values``: do other protocols get a
        string or a binary that is a value as a section? ``direct``: who reads it, if that can be.
        """
        data = sections.data
        self.size = sections.body_at + 3
        self.raw = data[: self.size]
        """The octets of the head, with the descriptor of the body if that has its usual form."""
        self.is_complete = self.raw.endswith(_BODIES)
        """Do all messages that begin like this have the same head?"""
        self.skip = sections.kept_at
        """Octets of header and delivery-annotations, which are not kept."""
        self.prefix = b""
        """The replacement for message-annotations with an unusual descriptor."""
        at = sections.message_annotations_at
        if at and at != sections.kept_at + 3:
            self.prefix = b"\x00Sr" + data[at : sections.bare_at]
            self.skip = sections.bare_at
        self.expires_at = 0
        """Milliseconds since the epoch, if only the properties have an expiry time; otherwise 0."""
        if direct is not None and (made := direct.read(data)) is not None:
            has_ids = direct.has_ids
            self.to = direct.to
            self.subject = direct.subject
        else:
            properties = sections.properties()
            has_ids = properties is not None and not (
                properties.message_id is None and properties.correlation_id is None and properties.creation_time is None
            )
            self.to = properties.to if properties is not None else None
            self.subject = properties.subject if properties is not None else None
            values = _values(sections, properties, is_durable=is_durable)
            if properties is not None and properties.absolute_expiry_time and "expiration" not in values:
                self.expires_at = max(int(properties.absolute_expiry_time), 1)
            made = Properties.make(**values)
        self.properties = made
        """The properties of a message whose body other protocols get unchanged."""
        self.may_come_again = self.is_complete and not has_ids
        self._encoded: Properties | None = None
        # The constructors of bodies that are kept unchanged, with lengths of one octet and of four.
        self.short = self.wide = b""
        if self.is_complete and not self.prefix and not self.expires_at:
            if sections.body_kind == DATA:
                self.short, self.wide = b"\xa0", b"\xb0"
            elif sections.body_kind == VALUE and not encodes_values:
                self.short, self.wide = b"\xa0\xa1", b"\xb0\xb1"

    def encoded(self) -> Properties:
        """The properties of a message whose body other protocols get section by section."""
        if self._encoded is None:
            properties = self.properties
            more = _without_type(properties.type, self.subject)
            self._encoded = (
                properties.replace(type=AMQP10_TYPE, headers={**more, **(properties.headers or {})})
                if more
                else properties.replace(type=AMQP10_TYPE)
            )
        return self._encoded


def headers_of(sections: Sections, *, is_encoded: bool) -> dict[str, FieldValue]:
    """The headers that a message has for other protocols. Raises DecodeError.

    ``is_encoded``: do they get its body section by section?
    """
    properties = sections.properties()
    table = _table(sections)
    values: PropertyValues = {}
    more: dict[str, FieldValue] = {}
    _read_basics(table.basics, values)
    if properties is not None:
        _read(properties, table, values, more)
    if is_encoded:
        more |= _without_type(values.get("type"), properties.subject if properties is not None else None)
    return {**more, **table.headers}


def _without_type(kind: str | None, subject: str | None) -> dict[str, FieldValue]:
    """The header that keeps a message's type where the property type names the kind of its body."""
    if kind is None or kind == AMQP10_TYPE:
        return {}
    return {SUBJECT if kind == subject else BASIC_TYPE: kind}


def _table(sections: Sections) -> Table:
    data = sections.data
    annotations = properties = b""
    if at := sections.message_annotations_at:
        annotations = data[at : sections.bare_at]
    if at := sections.application_properties_at:
        properties = data[at : sections.body_at]
    return read_table(annotations, properties)


def _values(sections: Sections, properties: MessageProperties | None, *, is_durable: bool) -> PropertyValues:
    table = _table(sections)
    values: PropertyValues = {}
    more: dict[str, FieldValue] = {}
    _read_basics(table.basics, values)
    if properties is not None:
        _read(properties, table, values, more)
    durable, priority, ttl = said_by_header(sections)
    if durable or (durable is None and is_durable and "delivery_mode" not in values):
        values["delivery_mode"] = PERSISTENT
    elif durable is not None:
        values.pop("delivery_mode", None)
    if priority is not None:
        values["priority"] = priority
    if ttl is not None:
        values["expiration"] = str(ttl)
    if encoded := table.with_more(more):
        values["headers"] = encoded
    return values


def _read_basics(basics: dict[str, object], values: PropertyValues) -> None:
    """Read the annotations that messages from 0-9-1 have."""
    for name, value in basics.items():
        if name in ("type", "app-id", "cluster-id", "content-type", "content-encoding") and isinstance(value, str):
            if fits(value):
                values[name.replace("-", "_")] = str(value)  # type: ignore[literal-required]
        elif name == "delivery-mode" and isinstance(value, int):
            if value == PERSISTENT:
                values["delivery_mode"] = PERSISTENT
        elif name == "priority" and isinstance(value, int) and 0 <= value <= 255:
            values["priority"] = int(value)
        elif name == "expiration" and isinstance(value, str) and _is_number(value):
            values["expiration"] = str(value)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX


def _read(properties: MessageProperties, table: Table, values: PropertyValues, more: dict[str, FieldValue]) -> None:
    _read_ids(properties, values, more)
    if properties.content_type is not None:
        _put("content_type", properties.content_type, values, more)
    if properties.content_encoding is not None:
        _put("content_encoding", properties.content_encoding, values, more)
    if properties.reply_to is not None:
        _put("reply_to", reply_as_text(properties.reply_to), values, more)
    if properties.subject is not None and "type" not in values:
        if fits(properties.subject):
            values["type"] = properties.subject
        else:
            more[SUBJECT] = properties.subject
    if properties.creation_time is not None:
        values["timestamp"] = properties.creation_time // 1000
        if properties.creation_time % 1000 and IN_MILLISECONDS not in table.headers:
            more[IN_MILLISECONDS] = LongLong(properties.creation_time)
    if properties.group_id is not None:
        if "app_id" not in values and fits(properties.group_id):
            values["app_id"] = properties.group_id
        more[GROUP] = properties.group_id
        if properties.group_sequence is not None:
            number = properties.group_sequence
            if number < 2**31:
                more[GROUP_SEQUENCE] = int(number)
            else:
                more[GROUP_SEQUENCE] = UnsignedInt(number)
    if properties.reply_to_group_id is not None:
        more[REPLY_TO_GROUP] = properties.reply_to_group_id


def _read_ids(properties: MessageProperties, values: PropertyValues, more: dict[str, FieldValue]) -> None:
    if (held := properties.message_id) is not None:
        if (text := id_as_text(held)) is not None:
            values["message_id"] = text
        elif isinstance(held, str | bytes):
            more["x-message-id"] = held
    if (held := properties.correlation_id) is not None:
        if (text := id_as_text(held)) is not None:
            values["correlation_id"] = text
        elif isinstance(held, str | bytes):
            more["x-correlation-id"] = held
    user = properties.user_id
    if user is not None:
        try:
            text = user.decode()
        except UnicodeDecodeError:
            text = None
        if text is None or "\0" in text or not fits(text):
            more["x-user-id"] = user
        else:
            values["user_id"] = text


def _put(name: str, value: str, values: PropertyValues, more: dict[str, FieldValue]) -> None:
    if fits(value):
        values[name] = str(value)  # type: ignore[literal-required]
    else:
        more[f"x-{name.replace('_', '-')}"] = str(value)
