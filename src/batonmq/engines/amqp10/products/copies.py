"""Copies that are sent in place of received messages, for brokers that cannot give messages back as we do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from batonmq.protocols.amqp10.codec.performatives import Header
from batonmq.protocols.amqp10.codec.sections import APPLICATION_PROPERTIES, MESSAGE_ANNOTATIONS, Sections
from batonmq.protocols.amqp10.codec.values import Described, Symbol, ULong, encode

__all__ = ["copied"]

_NONE: Final[Mapping[str, object]] = {}


def copied(
    payload: bytes,
    *,
    annotations: Mapping[str, object] = _NONE,
    headers: Mapping[str, object] = _NONE,
    is_kept: Callable[[str], bool],
) -> bytes:
    """The sections of the copy. Raises DecodeError.

    ``annotations`` are set in its message-annotations and ``headers`` in its application-properties, replacing those of
    the same name; ``is_kept`` says which others stay. The broker's delivery annotations are left out; the bare message
    is otherwise unchanged. Its time to live starts over.
    """
    sections = Sections(payload)
    before = sections.header() or Header()
    made = Header(durable=before.durable, priority=before.priority, ttl=before.ttl).encoded()
    made += _section(MESSAGE_ANNOTATIONS, _changed(sections.message_annotations(), annotations, is_kept, Symbol))
    properties = sections.properties()
    if properties is not None:
        # The broker assigns the place in the group: Classic gives the group to the receiver of the first message.
        made += replace(properties, group_sequence=None).encoded()
    made += _section(APPLICATION_PROPERTIES, _changed(sections.application_properties(), headers, is_kept, str))
    return made + payload[sections.body_at : sections.end]


def _changed(
    found: Mapping[object, object], added: Mapping[str, object], is_kept: Callable[[str], bool], name: type[str]
) -> dict[object, object]:
    kept = {key: value for key, value in found.items() if key not in added and is_kept(str(key))}
    return {**kept, **{name(key): value for key, value in added.items()}}


def _section(code: int, entries: Mapping[object, object]) -> bytes:
    return encode(Described(ULong(code), dict(entries))) if entries else b""
