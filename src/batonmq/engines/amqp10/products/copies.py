"""Messages that are sent again in place of those that were received, where a broker cannot give them back as we do."""

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
    """The sections of a message as it is sent again. Raises DecodeError.

    ``annotations`` are set in its message-annotations and ``headers`` in its application-properties, in the place of
    those of the same names; ``is_kept`` tells of all others whether they stay. What the broker says of the delivery is
    left out; the bare message is otherwise as it was. Its time to live begins anew.
    """
    sections = Sections(payload)
    before = sections.header() or Header()
    made = Header(durable=before.durable, priority=before.priority, ttl=before.ttl).encoded()
    made += _section(MESSAGE_ANNOTATIONS, _changed(sections.message_annotations(), annotations, is_kept, Symbol))
    properties = sections.properties()
    if properties is not None:
        # Its place in its group is the broker's to give: Classic gives the group to whoever has the first.
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
