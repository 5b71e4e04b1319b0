"""The sections before the body of a message from another protocol: its properties as sections of AMQP 1.0.

=========================  =========================================================================================
0-9-1                      AMQP 1.0
=========================  =========================================================================================
delivery-mode, priority    durable, priority
message-id                 message-id; a uuid if it reads urn:uuid:..., else a string
correlation-id             correlation-id, likewise
user-id                    user-id
type                       subject, and the annotation x-basic-type
reply-to                   reply-to; the name of a queue becomes its address
content-type, -encoding    the same
timestamp                  creation-time; from the header timestamp_in_ms where that is the same second
app-id                     group-id, or, where a header names a group, the annotation x-basic-app-id
cluster-id                 the annotation x-basic-cluster-id
=========================  =========================================================================================

Headers become application properties; those that begin with ``x-`` message-annotations, as do tables and arrays, which
application properties cannot be (``x-header-`` and the name), and what is not Unicode (``x-basic-`` and the name):

=========================  =========================================================================================
x-group, JMSXGroupID       group-id
JMSXGroupSeq               group-sequence
x-message-id, and so on    message-id, and so on, which they stand for
CC                         the annotation x-cc
x-death of the broker      the annotation x-opt-deaths
=========================  =========================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.properties import AMQP10_TYPE, SUBJECT, Properties
from batonmq.protocols.amqp10.codec.performatives import MessageProperties
from batonmq.protocols.amqp10.codec.values import Byte, Symbol, Timestamp, UInt, encode
from batonmq.protocols.amqp10.messages.deaths import DEATH_HEADER, DEATHS, deaths_of
from batonmq.protocols.amqp10.messages.field_values import from_field, text_or_octets
from batonmq.protocols.amqp10.messages.identifiers import id_of, reply_of
from batonmq.protocols.amqp10.messages.tables import (
    BASIC,
    CARBON_COPIES,
    GROUP,
    GROUP_SEQUENCE,
    HEADER,
    IN_MILLISECONDS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.protocols.amqp10.dialects import Dialect

__all__ = [
    "TEXT",
    "TEXT_MARK",
    "Annotations",
    "address_annotations",
    "annotations_section",
    "foreign_sections",
    "properties_as_sections",
]

Annotations = dict[object, object]

TEXT_MARK: Final = "x-opt-jms-msg-type"
"""The annotation with the kind of a JMS message."""
TEXT: Final = 5
"""Its value for text."""

_GROUPS: Final = ("x-group", GROUP)
# Headers for values that do not fit a property of 0-9-1, by size or type.
HELD: Final = {
    "x-message-id": "message_id",
    "x-correlation-id": "correlation_id",
    "x-user-id": "user_id",
    SUBJECT: "subject",
    "x-reply-to": "reply_to",
    "x-content-type": "content_type",
    "x-content-encoding": "content_encoding",
    "x-reply-to-group-id": "reply_to_group_id",
}
_BINARY: Final = frozenset({"x-message-id", "x-correlation-id", "x-user-id"})


def address_annotations(message: Message) -> Annotations:
    """The broker's annotations of each message: where it was published."""
    return {
        Symbol("x-exchange"): _unicode(message.exchange),
        Symbol("x-routing-key"): _unicode(message.routing_key),
    }


def annotations_section(annotations: Annotations) -> bytes:
    """Message-annotations, with the descriptor."""
    return b"\x00Sr" + encode(annotations)


def foreign_sections(message: Message, dialect: Dialect, address: bytes) -> bytes:
    """Message-annotations, properties and application-properties of a message from another protocol.

    ``address``: the message-annotations of a message with only those of its address.
    """
    annotations, rest = properties_as_sections(message.properties, dialect, is_dead_letter=message.is_dead_letter)
    return (annotations_section({**annotations, **address_annotations(message)}) if annotations else address) + rest


def properties_as_sections(
    properties: Properties, dialect: Dialect, *, is_dead_letter: bool
) -> tuple[Annotations, bytes]:
    """Message-annotations, and the sections of properties and application-properties, of properties of 0-9-1.

    ``is_dead_letter``: is the record of its deaths the broker's own?
    """
    headers = properties.headers or {}
    annotations: Annotations = {}
    values: dict[str, object] = {}
    application: dict[object, object] = {}
    if headers:
        _split_headers(properties, is_dead_letter, headers, values, annotations, application)
    _read_properties(properties, headers, dialect, values, annotations)
    sections = b""
    if values:
        sections += MessageProperties(**values).encoded()  # type: ignore[arg-type]
    if application:
        sections += b"\x00St" + encode(application)
    return annotations, sections


# ---------------------------------------------------------------------- headers


def _split_headers(
    properties: Properties,
    is_dead_letter: bool,
    headers: Mapping[str, FieldValue],
    values: dict[str, object],
    annotations: Annotations,
    application: dict[object, object],
) -> None:
    group = _group_of(headers)
    for name, value in headers.items():
        if name == CARBON_COPIES and isinstance(value, list):
            annotations[Symbol("x-cc")] = from_field(value)
        elif name == DEATH_HEADER and is_dead_letter and (deaths := deaths_of(value)) is not None:
            annotations[Symbol(DEATHS)] = deaths
        elif name == TEXT_MARK and isinstance(value, int) and -128 <= value <= 127:
            annotations[Symbol(TEXT_MARK)] = Byte(value)
        elif name == GROUP_SEQUENCE and isinstance(value, int) and 0 <= value < 2**32 and group is not None:
            values["group_sequence"] = UInt(value)
        elif (
            (name == GROUP and value == group)
            or (name == IN_MILLISECONDS and _is_exact(value, properties.timestamp))
            or (name in HELD and _hold(name, value, properties, values))
        ):
            # It is in a property.
            continue
        elif name.startswith("x-"):
            annotations.setdefault(_symbol(name), from_field(value))
        elif isinstance(value, list | dict):
            annotations[_symbol(HEADER + name)] = from_field(value)
        else:
            application[_unicode(name)] = from_field(value)


def _hold(name: str, value: FieldValue, properties: Properties, values: dict[str, object]) -> bool:
    """Use a header as the property that it stands for; False: that is set already, or it is not such a header."""
    field = HELD[name]
    taken = "type" if field == "subject" else field
    if getattr(properties, taken, None) not in (None, AMQP10_TYPE if taken == "type" else None):
        return False
    held: object = value if isinstance(value, bytes) and name in _BINARY else None
    if isinstance(value, str) and name != "x-user-id":
        held = text_or_octets(value)
        if field.startswith("content_"):
            held = Symbol(held) if isinstance(held, str) and held.isascii() else None
    if held is None or (isinstance(held, bytes) and name not in _BINARY):
        return False
    values[field] = held
    return True


def _group_of(headers: Mapping[str, FieldValue]) -> str | None:
    """The group that the headers name."""
    for name in _GROUPS:
        value = headers.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def _is_exact(milliseconds: FieldValue, timestamp: int | None) -> bool:
    return isinstance(milliseconds, int) and timestamp is not None and milliseconds // 1000 == timestamp


# ---------------------------------------------------------------------- properties


def _read_properties(
    properties: Properties,
    headers: Mapping[str, FieldValue],
    dialect: Dialect,
    values: dict[str, object],
    annotations: Annotations,
) -> None:
    if properties.message_id is not None:
        values["message_id"] = id_of(properties.message_id)
    if properties.correlation_id is not None:
        values["correlation_id"] = id_of(properties.correlation_id)
    if properties.user_id is not None:
        values["user_id"] = properties.user_id.encode(errors="surrogateescape")
    if properties.reply_to is not None:
        text = text_or_octets(properties.reply_to)
        _put("reply_to", reply_of(text, dialect) if isinstance(text, str) else text, values, annotations)
    for name, value in (("content_type", properties.content_type), ("content_encoding", properties.content_encoding)):
        if value is not None:
            _put(name, Symbol(value) if value.isascii() else text_or_octets(value), values, annotations, kind=Symbol)
    kind = properties.type
    if kind is not None:
        text = text_or_octets(kind)
        annotations.setdefault(Symbol(BASIC + "type"), text)
        if kind != AMQP10_TYPE and isinstance(text, str):
            values["subject"] = text
    if properties.timestamp is not None:
        exact = headers.get(IN_MILLISECONDS)
        moment = exact if isinstance(exact, int) and _is_exact(exact, properties.timestamp) else None
        values["creation_time"] = from_seconds(properties.timestamp) if moment is None else Timestamp(moment)
    _read_group(properties, headers, values, annotations)
    if properties.cluster_id is not None:
        annotations[Symbol(BASIC + "cluster-id")] = text_or_octets(properties.cluster_id)


def _read_group(
    properties: Properties, headers: Mapping[str, FieldValue], values: dict[str, object], annotations: Annotations
) -> None:
    group = _group_of(headers)
    if group is not None:
        values["group_id"] = _unicode(group)
        if properties.app_id is not None and properties.app_id != group:
            annotations[Symbol(BASIC + "app-id")] = text_or_octets(properties.app_id)
    elif properties.app_id is not None:
        _put("group_id", text_or_octets(properties.app_id), values, annotations, shown="app-id")


def _put(
    name: str,
    value: str | bytes,
    values: dict[str, object],
    annotations: Annotations,
    *,
    kind: type[str] = str,
    shown: str = "",
) -> None:
    """Set a text as a property; if it cannot be one, as an annotation."""
    if isinstance(value, kind):
        values[name] = value
    else:
        annotations[Symbol(BASIC + (shown or name.replace("_", "-")))] = value


def from_seconds(seconds: int) -> Timestamp:
    """A time in milliseconds, limited to 64 bits."""
    return Timestamp(max(-(2**63), min(seconds * 1000, 2**63 - 1)))


def _symbol(name: str) -> object:
    return Symbol(name) if name.isascii() else _unicode(name)


def _unicode(text: str) -> str:
    return text if text.isascii() else text.encode(errors="surrogateescape").decode(errors="replace")
