"""A broker's errors, as errors of ours (part 2 §2.8.14 to §2.8.18, part 3 §3.4, part 4 §4.5.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.errors import (
    AccessRefused,
    BatonError,
    BrokerError,
    ConnectionLost,
    MessageTooLarge,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    ResourceError,
    ResourceLocked,
    Unsupported,
)
from batonmq.protocols.amqp10.codec.performatives import Accepted, Modified, Rejected, Released, TransactionalState
from batonmq.protocols.amqp10.conditions import (
    INVALID_FIELD,
    MESSAGE_SIZE_EXCEEDED,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_IMPLEMENTED,
    PRECONDITION_FAILED,
    RESOURCE_DELETED,
    RESOURCE_LIMIT_EXCEEDED,
    RESOURCE_LOCKED,
    UNAUTHORIZED_ACCESS,
)

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.performatives import DeliveryState, Error

__all__ = ["PeerFault", "error_of", "outcome_error", "text_of"]

_KINDS: Final[dict[str, type[BrokerError]]] = {
    NOT_FOUND: NotFound,
    RESOURCE_DELETED: NotFound,
    UNAUTHORIZED_ACCESS: AccessRefused,
    RESOURCE_LOCKED: ResourceLocked,
    PRECONDITION_FAILED: PreconditionFailed,
    INVALID_FIELD: PreconditionFailed,
    RESOURCE_LIMIT_EXCEEDED: ResourceError,
    MESSAGE_SIZE_EXCEEDED: MessageTooLarge,
    NOT_ALLOWED: NotAllowed,
    NOT_IMPLEMENTED: Unsupported,
}


class PeerFault(Exception):
    """The broker broke the protocol: the connection is closed with this condition."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(text)
        self.condition = condition


def text_of(error: Error) -> str:
    """An error in one line: its description, or else its condition."""
    return error.description or str(error.condition)


def error_of(error: Error | None, otherwise: str) -> BatonError:
    """Why a link was refused or ended, a session ended, or a message refused.

    ``otherwise`` is the text if the broker gave no reason; the error is then ConnectionLost, as the fate of pending
    messages is unknown.
    """
    if error is None:
        return ConnectionLost(otherwise)
    kind = _KINDS.get(str(error.condition))
    if kind is not None:
        return kind(text_of(error))
    text = str(error.condition)
    return BrokerError(f"{text}: {error.description}" if error.description else text)


def outcome_error(state: DeliveryState | None, queue: str) -> BatonError | None:
    """Why a message that was sent is not in its queue; None: it is (part 3 §3.4)."""
    if isinstance(state, TransactionalState):
        state = state.outcome
    if isinstance(state, Accepted):
        return None
    if isinstance(state, Rejected):
        if state.error is None:
            return ResourceError(f"the broker rejected the message for queue '{queue}'")
        return error_of(state.error, "")
    if isinstance(state, Released | Modified):
        # Part 3 §3.4.4: the message "was not (and will not be) acted upon": nothing takes it.
        return NotFound(f"no queue '{queue}'")
    return ConnectionLost("the broker settled the message without saying what became of it")
