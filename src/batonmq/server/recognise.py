"""Recognizes a client's protocol by its first bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batonmq.server.interface import Host, Session

__all__ = ["LONGEST_HEAD", "ServedProtocol", "begins_amqp10", "begins_stomp", "recognise"]

# The most bytes needed to tell the protocols apart: AMQP's header, or STOMP's CONNECT with an end of line.
LONGEST_HEAD = 8

END_OF_LINE = (b"\n", b"\r")

AMQP = b"AMQP"


@dataclass(frozen=True, slots=True)
class ServedProtocol:
    """A protocol on offer: how to recognize its clients, and how to create a session."""

    name: str
    matches: Callable[[bytes], bool | None]
    """Given the first bytes: True, False, or None while more are needed to tell."""
    make_session: Callable[[Host], Session]
    word: str = ""
    """Its name in counters and RabbitMQ's listings, such as ``amqp091``."""
    answer_to_tls: bytes | None = None
    """The answer to a client that speaks TLS, if this is the last protocol; None: the session answers."""


def recognise(protocols: Sequence[ServedProtocol], head: bytes) -> ServedProtocol | None:
    """The first protocol that takes these first bytes; None: more bytes are needed.

    The last protocol takes what no other does, and answers in its own way.
    """
    for protocol in protocols[:-1]:
        matches = protocol.matches(head)
        if matches:
            return protocol
        if matches is None and len(head) < LONGEST_HEAD:
            return None
    return protocols[-1]


def begins_amqp10(head: bytes) -> bool | None:
    """Are these the first bytes of a client of AMQP 1.0 or later? None: more are needed to tell.

    After the four letters come the id of a protocol (plain, TLS or SASL), and its major and minor version (part 2 §2.2,
    part 5). 0-9-1 has 0 for the first two, and the versions before it had 1 as the id. Unknown versions are answered by
    0-9-1, as in RabbitMQ.
    """
    if not head.startswith(AMQP):
        return None if AMQP.startswith(head) else False
    protocol, major, minor = head[4:5], head[5:6], head[6:7]
    if protocol > b"\x03" or protocol == b"\x01" or major == b"\x00" or minor > b"\x00":
        return False
    return True if minor else None


def begins_stomp(head: bytes) -> bool | None:
    """Are these the first bytes of a client of STOMP? None: more are needed to tell.

    It begins with a CONNECT or STOMP frame (STOMP 1.2, Connecting), possibly after ends of lines, as between frames; no
    other protocol begins with an end of line.
    """
    if head[:1] in END_OF_LINE:
        return True
    for command in (b"CONNECT", b"STOMP"):
        if head.startswith(command):
            follows = head[len(command) : len(command) + 1]
            return follows in END_OF_LINE if follows else None
        if command.startswith(head):
            return None
    return False
