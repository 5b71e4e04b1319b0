"""A message from AMQP 1.0 whose headers were changed by the broker or a consumer.

The payload is unchanged. Headers that differ from those of the payload are sent as annotations: where it was
dead-lettered, why it was rejected, what a consumer noted with the outcome modified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.properties import AMQP10_TYPE
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import Symbol
from batonmq.protocols.amqp10.messages.deaths import DEATH_HEADER, DEATHS, deaths_of
from batonmq.protocols.amqp10.messages.field_values import from_field, text_or_octets
from batonmq.protocols.amqp10.messages.framings import is_split
from batonmq.protocols.amqp10.messages.heads import headers_of
from batonmq.protocols.amqp10.messages.templates import address_annotations, annotations_section

if TYPE_CHECKING:
    from batonmq.fields import FieldValue
    from batonmq.message import Message


def own_sections(message: Message) -> bytes:
    """The sections of a message from AMQP 1.0, from its message-annotations on."""
    payload = message.payload
    end = message.start if is_split(message.framing) else len(payload)
    sections = Sections(payload, 0, end)
    annotations = sections.message_annotations()
    if message.framing is not None and message.framing.edited is message.framing:
        _merge_changes(message, sections, annotations)
    annotations.update(address_annotations(message))
    return annotations_section(annotations) + payload[sections.bare_at : end]


def _merge_changes(message: Message, sections: Sections, annotations: dict[object, object]) -> None:
    before = headers_of(sections, is_encoded=message.properties.type == AMQP10_TYPE)
    now = message.properties.headers or {}
    for name in before.keys() - now.keys():
        annotations.pop(name, None)
    for name, value in now.items():
        if name in before and type(value) is type(before[name]) and value == before[name]:
            continue
        if name == DEATH_HEADER and message.is_dead_letter and (deaths := deaths_of(value)) is not None:
            annotations[Symbol(DEATHS)] = deaths
        else:
            annotations[Symbol(name) if name.isascii() else name] = _noted(value)


def _noted(value: FieldValue) -> object:
    """What a consumer noted, as it said it as far as a header tells: the keys of its maps were strings, most likely."""
    if isinstance(value, dict):
        return {text_or_octets(name): _noted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_noted(each) for each in value]
    return from_field(value)
