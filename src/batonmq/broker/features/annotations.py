"""Annotations: headers that a consumer adds to a message as it gives it back, for the next consumer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import is_death_header
from batonmq.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.message import Message

# Octets of a message's properties beyond which no consumer may add to them: one that notes something each time it gives
# a message back must not make it grow for ever, and what an AMQP 0-9-1 consumer is sent must fit into one frame.
PROPERTIES_MAX = 64 << 10


def annotated(message: Message, headers: Mapping[str, FieldValue]) -> Message:
    """The message with these headers added, or put in place of others; the record of its deaths cannot be changed.

    Raises PreconditionFailed when the headers become too large.
    """
    own = {name: value for name, value in headers.items() if not is_death_header(name)}
    before = message.properties
    after = before.replace(headers={**(before.headers or {}), **own})
    if len(after.raw) > max(PROPERTIES_MAX, len(before.raw)):
        raise PreconditionFailed(f"the headers of a message may have at most {PROPERTIES_MAX} octets")
    return message.with_properties(after)
