"""The errors that kombu and its users expect: py-amqp's, for what AMQP refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from amqp import exceptions as amqp_errors

from batonmq import errors

__all__ = ["CHANNEL_ERRORS", "CONNECTION_ERRORS", "RECOVERABLE", "translated"]

RECOVERABLE = (
    errors.ConnectionLost,
    errors.Closed,
    errors.StoreError,
    amqp_errors.RecoverableConnectionError,
    OSError,
)
"""After these errors kombu reconnects, and tries the operation again."""

CONNECTION_ERRORS = (*RECOVERABLE, amqp_errors.ConnectionError)
"""After these errors the connection is unusable."""

CHANNEL_ERRORS = (amqp_errors.ChannelError,)
"""These errors refuse one operation; the connection lives."""

_AS_AMQP: tuple[tuple[type[errors.BatonError], type[amqp_errors.ChannelError]], ...] = (
    (errors.NotFound, amqp_errors.NotFound),
    (errors.PreconditionFailed, amqp_errors.PreconditionFailed),
    (errors.ResourceLocked, amqp_errors.ResourceLocked),
    (errors.AccessRefused, amqp_errors.AccessRefused),
    (errors.BrokerError, amqp_errors.ChannelError),
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn refusals into py-amqp's errors."""
    try:
        yield
    except errors.BrokerError as error:
        for kind, as_amqp in _AS_AMQP:
            if isinstance(error, kind):
                raise as_amqp(str(error)) from error
        raise
