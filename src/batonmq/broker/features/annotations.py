"""Annotations: headers that a consumer adds to a message as it gives it back, for the next consumer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import is_death_header
from batonmq.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.message import Message

# The size of properties, in octets, beyond which consumers may not add to them. A message must not grow for ever with
# each return, and its properties must fit into one frame of AMQP 0-9-1.
PROPERTIES_MAX = 64 << 10


def annotated(message: Message, headers: Mapping[str, FieldValue]) -> Message:
    """The message with these headers added, or put in place of others; the record of its deaths cannot be changed.

    Raises PreconditionFailed if the headers become too large.
    """
    own = {name: value for name, value in headers.items() if not is_death_header(name)}
    before = message.properties
    after = before.replace(headers={**(before.headers or {}), **own})
    if len(after.raw) > max(PROPERTIES_MAX, len(before.raw)):
        raise PreconditionFailed(f"the headers of a message may have at most {PROPERTIES_MAX} octets")
    return message.with_properties(after)
