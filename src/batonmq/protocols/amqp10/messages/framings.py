"""What a message that came over AMQP 1.0 has around its body: all of it but header and delivery-annotations.

The payload is the message from its message-annotations on, as it came. Those stand first where there are any, with
the descriptor that everybody sends; the bare message and the footer are byte for byte what the client sent.
"""

from __future__ import annotations

from typing import Final

from batonmq.message import Framing, framing_of

AMQP10: Final = framing_of(2)
"""The body is one of the sections, or part of one."""
AMQP10_SPLIT: Final = framing_of(4)
"""The body was in several sections of data: behind all that came it stands once more, in one piece."""
OF_AMQP10: Final = frozenset({AMQP10, AMQP10.edited, AMQP10_SPLIT, AMQP10_SPLIT.edited})


def is_split(framing: Framing | None) -> bool:
    """Does the body stand once more behind the message?"""
    return framing is AMQP10_SPLIT or framing is AMQP10_SPLIT.edited
