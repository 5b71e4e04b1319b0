"""Maps the broker's exceptions to reply codes: which class of error ends what (AMQP 0-9-1 §1.1, "reply codes")."""

from __future__ import annotations

from batonmq.errors import (
    AccessRefused,
    BrokerError,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    ResourceError,
    ResourceLocked,
    Unsupported,
)
from batonmq.protocols.amqp091.constants import REPLY_NAMES
from batonmq.protocols.sessions.failures import ClientFailure

# Reply codes that end the connection, not only the channel.
HARD = frozenset({320, 402, 501, 502, 503, 504, 505, 530, 540, 541})

_CODES: dict[type[BrokerError], int] = {
    NotFound: 404,
    AccessRefused: 403,
    ResourceLocked: 405,
    PreconditionFailed: 406,
    ResourceError: 506,
    NotAllowed: 530,
    Unsupported: 540,
}


class ProtocolFailure(ClientFailure):
    """The client broke the protocol, or asked for something it cannot have: a reply code, and a detail."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail

    @property
    def is_hard(self) -> bool:
        """Does it end the connection?"""
        return self.code in HARD


def reply_text(code: int, detail: str) -> str:
    """The reply text of a close: the code's name and the detail, within the 255 bytes of a short string."""
    text = f"{REPLY_NAMES.get(code, 'INTERNAL_ERROR')} - {detail}"
    # A quoted name may be other than UTF-8, but the text must be readable.
    encoded = text.encode(errors="replace")
    return encoded.decode() if len(encoded) <= 255 else encoded[:252].decode(errors="ignore") + "..."


def as_failure(error: BrokerError) -> ProtocolFailure:
    """The reply code for an error of the broker."""
    return ProtocolFailure(_CODES.get(type(error), 541), str(error))
