"""Sender-selected distribution (RabbitMQ): a message names further routing keys in its headers CC and BCC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.errors import PreconditionFailed
from batonmq.field_encoding import type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue

# The most keys in both headers together: each is looked up in all exchanges that the message passes.
COPIES_MAX: Final = 1_000


def carbon_copies(headers: Mapping[str, FieldValue]) -> list[str]:
    """The further routing keys of a message. Values that are not text are ignored. Raises PreconditionFailed."""
    keys: list[str] = []
    for name in ("CC", "BCC"):
        if name not in headers:
            continue
        value = headers[name]
        if not isinstance(value, list):
            fault = f'{{unacceptable_type_in_header,"{name}",{type_name(value)}}}'
            raise PreconditionFailed(f"invalid message: {fault}")
        keys += [str(key) for key in value if isinstance(key, str)]
    if len(keys) > COPIES_MAX:
        raise PreconditionFailed(f"invalid message: CC and BCC hold {len(keys)} keys, more than {COPIES_MAX}")
    return keys
