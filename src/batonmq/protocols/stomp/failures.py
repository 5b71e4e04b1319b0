"""Failures, in the form of ERROR frames: the header message in a few words, the body in a sentence."""

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
from batonmq.protocols.sessions.failures import ClientFailure

__all__ = ["StompFailure", "as_failure", "missing"]

# The names of AMQP's reply codes, by which RabbitMQ's clients know what the broker refused.
_NAMES: dict[type[BrokerError], str] = {
    NotFound: "not_found",
    AccessRefused: "access_refused",
    ResourceLocked: "resource_locked",
    PreconditionFailed: "precondition_failed",
    ResourceError: "resource_error",
    NotAllowed: "not_allowed",
    Unsupported: "not_implemented",
}


class StompFailure(ClientFailure):
    """The client broke the protocol, or asked for something it cannot have."""

    def __init__(
        self, message: str, detail: str, *, fatal: bool = False, bare: bool = False, expected: bool = False
    ) -> None:
        """``bare``: no line end follows the detail. Clients of RabbitMQ compare bodies, and some of those have a line
        end and some have none.
        """
        super().__init__(detail)
        self.message = message
        """A few words: the header message."""
        self.detail = detail
        """A sentence or two."""
        self.fatal = fatal
        """Does the connection end, whatever the dialect?"""
        self.expected = expected
        """Is it nobody's fault?"""
        self.body = detail if bare else f"{detail}\n"


def as_failure(error: BrokerError) -> StompFailure:
    """The failure for a refusal by the broker.

    With a reply code it ends the connection, as in the specification and in RabbitMQ.
    """
    name = _NAMES.get(type(error))
    if name is None:
        # An error without a reply code is only a mistake in the frame, such as a bad selector.
        return StompFailure("Bad frame", str(error))
    return StompFailure(name, f"{name.upper()} - {error}", fatal=True, bare=True)


def missing(command: str, header: str) -> StompFailure:
    """The failure for a frame without a required header."""
    return StompFailure(f"Missing {header}", f"\"{command}\" must include a '{header}' header")
