"""Which protocol a client speaks, told by the first bytes that it sends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batonmq.server.interface import Host, Session

__all__ = ["LONGEST_HEAD", "ServedProtocol", "begins_amqp10", "begins_stomp", "recognise"]

# No protocol needs more bytes than AMQP's header, or STOMP's CONNECT with an end of line, to be told from the others.
LONGEST_HEAD = 8

END_OF_LINE = (b"\n", b"\r")

AMQP = b"AMQP"


@dataclass(frozen=True, slots=True)
class ServedProtocol:
    """A protocol on offer: how its clients begin, and how a session for one of them is made."""

    name: str
    matches: Callable[[bytes], bool | None]
    """Given the first bytes: True, False, or None while more are needed to tell."""
    make_session: Callable[[Host], Session]
    word: str = ""
    """What counters and RabbitMQ's listings call it, as ``amqp091``."""
    answer_to_tls: bytes | None = None
    """What a client that speaks TLS is told where this is the last protocol; None: what the session tells it."""


def recognise(protocols: Sequence[ServedProtocol], head: bytes) -> ServedProtocol | None:
    """The first protocol that takes these first bytes; None: more bytes are needed.

    The last protocol takes what no other does, and answers it in its own way.
    """
    for protocol in protocols[:-1]:
        matches = protocol.matches(head)
        if matches:
            return protocol
        if matches is None and len(head) < LONGEST_HEAD:
            return None
    return protocols[-1]


def begins_amqp10(head: bytes) -> bool | None:
    """Are these the first bytes of a client of AMQP 1.0, or of a later one? None: more are needed to tell.

    Behind the four letters stand the id of a protocol (plain, TLS or SASL), and its major and minor version (part 2
    §2.2, part 5). 0-9-1 has 0 for the first two, and the versions before it had 1 as the id. What is not a version of
    anything is answered as RabbitMQ does, by 0-9-1.
    """
    if not head.startswith(AMQP):
        return None if AMQP.startswith(head) else False
    protocol, major, minor = head[4:5], head[5:6], head[6:7]
    if protocol > b"\x03" or protocol == b"\x01" or major == b"\x00" or minor > b"\x00":
        return False
    return True if minor else None


def begins_stomp(head: bytes) -> bool | None:
    """Are these the first bytes of a client of STOMP? None: more are needed to tell.

    It begins with a CONNECT or STOMP frame (STOMP 1.2, Connecting), before which there may be ends of lines, as between
    frames; no other protocol begins with one of those.
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
