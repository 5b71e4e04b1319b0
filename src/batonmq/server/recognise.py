"""Which protocol a client speaks, told by the first bytes that it sends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batonmq.server.interface import Host, Session

__all__ = ["LONGEST_HEAD", "ServedProtocol", "recognise"]

# No protocol needs more bytes than AMQP's header to be told from the others.
LONGEST_HEAD = 8


@dataclass(frozen=True, slots=True)
class ServedProtocol:
    """A protocol on offer: how its clients begin, and how a session for one of them is made."""

    name: str
    matches: Callable[[bytes], bool | None]
    """Given the first bytes: True, False, or None while more are needed to tell."""
    make_session: Callable[[Host], Session]


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
