"""What a consumer notes on a message that it gives back: headers that stay with it, for whoever gets it next."""

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
    """The message with these headers in place of those of the same names; the record of its deaths is the broker's.

    Raises PreconditionFailed when that is too much.
    """
    own = {name: value for name, value in headers.items() if not is_death_header(name)}
    before = message.properties
    after = before.replace(headers={**(before.headers or {}), **own})
    if len(after.raw) > max(PROPERTIES_MAX, len(before.raw)):
        raise PreconditionFailed(f"the headers of a message may have at most {PROPERTIES_MAX} octets")
    return message.with_properties(after)
