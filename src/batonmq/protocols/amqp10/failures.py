"""Failures as clients are told of them, and what they end: a link, a session, or the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.errors import (
    AccessRefused,
    BrokerError,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    ResourceError,
    ResourceLocked,
    StoreError,
    Unsupported,
)
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Error
from batonmq.protocols.amqp10.codec.values import Symbol
from batonmq.protocols.sessions.failures import ClientFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

# Longer texts are cut: an error has to fit the smallest frame.
TEXT_MAX = 400

_CONDITIONS: dict[type[BrokerError], str] = {
    NotFound: conditions.NOT_FOUND,
    AccessRefused: conditions.UNAUTHORIZED_ACCESS,
    ResourceLocked: conditions.RESOURCE_LOCKED,
    PreconditionFailed: conditions.PRECONDITION_FAILED,
    ResourceError: conditions.RESOURCE_LIMIT_EXCEEDED,
    NotAllowed: conditions.NOT_ALLOWED,
    Unsupported: conditions.NOT_IMPLEMENTED,
}


class Failure(ClientFailure):
    """An error condition with its description, and further information for programs."""

    def __init__(self, condition: str, description: str, info: Mapping[str, object] | None = None) -> None:
        super().__init__(description)
        self.condition = condition
        self.description = description
        self.info = info

    def error(self) -> Error:
        """The failure in AMQP's form (part 2 §2.8.14)."""
        info = {Symbol(name): _value(name, value) for name, value in self.info.items()} if self.info else None
        return make_error(self.condition, self.description, info)


def _value(name: str, value: object) -> object:
    """The name of a field is sent as a symbol, by which Qpid JMS distinguishes errors."""
    return Symbol(value) if name == "invalid-field" and isinstance(value, str) else value


class LinkFailure(Failure):
    """Ends a link: it is detached with the error."""


class SessionFailure(Failure):
    """Ends a session."""


class ConnectionFailure(Failure):
    """Ends the connection."""


def make_error(condition: str, description: str, info: Mapping[Symbol, object] | None = None) -> Error:
    """An error, its text cut to TEXT_MAX octets."""
    # A quoted name may be other than UTF-8, but the text must be readable.
    text = description.encode(errors="replace")
    if len(text) > TEXT_MAX:
        text = text[: TEXT_MAX - 3].decode(errors="ignore").encode() + b"..."
    return Error(condition=Symbol(condition), description=text.decode(), info=dict(info) if info else None)


def condition_of(error: BrokerError | StoreError) -> str:
    """The condition for an error of the broker's or the store's."""
    if isinstance(error, StoreError):
        return conditions.RESOURCE_LIMIT_EXCEEDED
    return _CONDITIONS.get(type(error), conditions.INTERNAL_ERROR)


def text_of(error: BrokerError | StoreError) -> str:
    """The text of an error, without details that clients should not see."""
    return error.reason if isinstance(error, StoreError) else str(error)


def as_failure(error: Failure | BrokerError | StoreError) -> Failure:
    """The failure for an error of any kind; one of the broker or the store ends a link."""
    return error if isinstance(error, Failure) else LinkFailure(condition_of(error), text_of(error))


def no_sender(name: str) -> SessionFailure:
    """The failure for a transfer over a link on which the client receives."""
    return SessionFailure(conditions.NOT_ALLOWED, f"a transfer over link '{name}', on which the client receives")


def stolen(name: str) -> LinkFailure:
    """The failure for a link whose container has attached another one of its name (part 2 §2.6.1)."""
    return LinkFailure(conditions.STOLEN, f"link '{name}' was attached anew")
