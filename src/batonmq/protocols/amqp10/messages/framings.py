"""The framing of a message from AMQP 1.0: all of it except header and delivery-annotations.

The payload is the received message from its message-annotations on. These come first, if there are any, with the usual
descriptor; the bare message and the footer are byte for byte those that the client sent.
"""

from __future__ import annotations

from typing import Final

from batonmq.message import Framing, framing_of

AMQP10: Final = framing_of(2)
"""The body is one of the sections, or part of one."""
AMQP10_SPLIT: Final = framing_of(4)
"""The body was in several sections of data: it is repeated after the message, in one piece."""
OF_AMQP10: Final = frozenset({AMQP10, AMQP10.edited, AMQP10_SPLIT, AMQP10_SPLIT.edited})


def is_split(framing: Framing | None) -> bool:
    """Is the body repeated after the message?"""
    return framing is AMQP10_SPLIT or framing is AMQP10_SPLIT.edited
