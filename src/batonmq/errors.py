"""All exceptions that BatonMQ raises on purpose, in one tree with the root ``BatonError``.

``BrokerError`` and its subclasses are the client's fault: the broker refuses an operation. Their text is for the client
(RabbitMQ's wording, which clients match on); each protocol reports them in its own way. ``StoreError`` is the disk's
fault. ``EngineError`` and its subclasses are raised only by the Python API.
"""

from __future__ import annotations


class BatonError(Exception):
    """The root of everything that BatonMQ raises on purpose."""


class BrokerError(BatonError):
    """The broker refused an operation. ``str(error)`` is the text for the client."""


class NotFound(BrokerError):
    """The queue, exchange or binding does not exist (AMQP 0-9-1 reply code 404)."""


class AccessRefused(BrokerError):
    """The user may not do this, or the name is reserved (403)."""


class ResourceLocked(BrokerError):
    """The queue is exclusive to another connection (405)."""


class PreconditionFailed(BrokerError):
    """An argument is invalid, or the queue or exchange exists with other arguments (406)."""


class ResourceError(BrokerError):
    """A limit is reached (a full queue, for example), or the store cannot write now (506)."""


class MessageTooLarge(ResourceError):
    """The broker takes no message of that size, however much room it has: sending it again is of no use."""


class NotAllowed(BrokerError):
    """The client broke a rule, and its connection is closed (530)."""


class Unsupported(BrokerError):
    """The broker does not implement this part of the specification (540)."""


CONDITIONS: dict[str, type[BrokerError]] = {
    "not-found": NotFound,
    "access-refused": AccessRefused,
    "resource-locked": ResourceLocked,
    "precondition-failed": PreconditionFailed,
    "message-too-large": MessageTooLarge,
    "resource-error": ResourceError,
}
"""How an answer to a management request names its error, so that nobody has to know it by its text."""


def condition_of(error: BatonError) -> str:
    """The condition of an error; a store that fails is a ``resource-error`` to clients. "": it has none."""
    if isinstance(error, StoreError):
        return "resource-error"
    return next((name for name, kind in CONDITIONS.items() if isinstance(error, kind)), "")


class StoreError(BatonError):
    """The store could not read or write: the disk is full, read-only or failing.

    ``str(error)`` names the file, for the operator. ``reason`` does not; it is the text for clients.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class StoreCorrupt(StoreError):
    """The file is damaged, or is not a store of BatonMQ. It was not opened."""


class EngineError(BatonError):
    """An error of the Python API itself, as opposed to a refusal by the broker."""


class UnsupportedFeature(EngineError):
    """The engine does not have this feature; nothing was sent. ``Connection.capabilities`` lists its features."""


class AlreadySettled(EngineError):
    """The delivery was already accepted, released or rejected."""


class LeaseLost(EngineError):
    """The message is no longer held here: its lease ended, its receiver was closed, or the connection was lost.

    It will be delivered again.
    """


class InvalidMessage(EngineError, ValueError):
    """The message is not what its handler takes. It is rejected with this text as the reason, and not tried again."""


class ConnectionLost(EngineError):
    """The engine cannot be reached, or was lost before it answered: the operation may or may not have been done."""


class Closed(EngineError):
    """The connection or the receiver is closed."""
