"""Errors as kombu and those who use it know them: py-amqp's, for what AMQP refuses."""

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
"""After these a connection is made anew, and what was asked is tried again."""

CONNECTION_ERRORS = (*RECOVERABLE, amqp_errors.ConnectionError)
"""After these the connection is of no use."""

CHANNEL_ERRORS = (amqp_errors.ChannelError,)
"""After these the connection lives: what was asked is refused."""

_AS_AMQP: tuple[tuple[type[errors.BatonError], type[amqp_errors.ChannelError]], ...] = (
    (errors.NotFound, amqp_errors.NotFound),
    (errors.PreconditionFailed, amqp_errors.PreconditionFailed),
    (errors.ResourceLocked, amqp_errors.ResourceLocked),
    (errors.AccessRefused, amqp_errors.AccessRefused),
    (errors.BrokerError, amqp_errors.ChannelError),
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what AMQP refuses as py-amqp does."""
    try:
        yield
    except errors.BrokerError as error:
        for kind, as_amqp in _AS_AMQP:
            if isinstance(error, kind):
                raise as_amqp(str(error)) from error
        raise
