"""The one tree of exceptions.

``BatonError`` is its root. ``BrokerError`` and what comes below it are the peer's fault: an operation that the
point-to-point model refuses. Their text is what the client reads (RabbitMQ's wording, which clients match on); each
protocol says them in its own way. ``StoreError`` is the disk's fault.
"""

from __future__ import annotations


class BatonError(Exception):
    """The root of everything that BatonMQ raises on purpose."""


class BrokerError(BatonError):
    """An operation was refused. ``str(error)`` is a text for the client."""


class NotFound(BrokerError):
    """A queue, an exchange or a binding that was named does not exist (AMQP 0-9-1 reply code 404)."""


class AccessRefused(BrokerError):
    """The user may not do this, or the name is reserved (403)."""


class ResourceLocked(BrokerError):
    """The queue belongs exclusively to another connection (405)."""


class PreconditionFailed(BrokerError):
    """An argument is invalid, or differs from what exists (406)."""


class ResourceError(BrokerError):
    """A limit is reached, or the store cannot write now (506)."""


class NotAllowed(BrokerError):
    """The connection broke a rule that ends it (530)."""


class Unsupported(BrokerError):
    """A part of the specification that is not offered (540)."""


class StoreError(BatonError):
    """The store could not read or write: the disk is full, read-only or failing.

    ``str(error)`` names the file, for whoever runs the store; ``reason`` does not, and is what peers are told.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class StoreCorrupt(StoreError):
    """The store's file is not ours, or damaged: it is not opened."""


class EngineError(BatonError):
    """What a program that uses ``batonmq.connect`` may meet, beside what a broker refuses."""


class UnsupportedFeature(EngineError):
    """The engine cannot do this; nothing was sent. ``Connection.capabilities`` tells beforehand."""


class AlreadySettled(EngineError):
    """The delivery was accepted, released or rejected before."""


class LeaseLost(EngineError):
    """The delivery is no longer in these hands (its receiver was closed, its connection was lost): it comes again."""


class ConnectionLost(EngineError):
    """The engine is out of reach, or was lost before it could answer: what was asked for may have been done or not."""


class Closed(EngineError):
    """The connection or the receiver was closed before."""
