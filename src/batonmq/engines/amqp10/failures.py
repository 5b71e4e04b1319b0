"""Why a broker could not be reached."""

from __future__ import annotations

import socket
import ssl

from batonmq.engines.amqp10.parameters import Amqp10Parameters
from batonmq.engines.failures import NOBODY
from batonmq.engines.tls_failures import closed_by_tls, tls_failure
from batonmq.errors import AccessRefused, BatonError, ConnectionLost, NotAllowed, NotFound

__all__ = ["refused", "unreachable"]


def unreachable(error: OSError | None, parameters: Amqp10Parameters, phase: str) -> BatonError:
    """The error for a connection that could not be opened.

    ``error``: None if the broker closed the socket. ``phase``: the step that failed.
    """
    return ConnectionLost(f"cannot connect to {parameters.where}: {_why(error, parameters, phase)}")


def refused(error: BatonError, parameters: Amqp10Parameters) -> BatonError:
    """The broker answered, but refused the connection."""
    # Conditions that brokers use for a virtual host that is missing, or closed to us.
    if isinstance(error, AccessRefused | NotAllowed | NotFound):
        return AccessRefused(f"the broker at {parameters.where} does not let us in: {error}")
    return ConnectionLost(f"cannot connect to {parameters.where}: {error}")


def _why(error: OSError | None, parameters: Amqp10Parameters, phase: str) -> str:
    tls = parameters.tls
    if isinstance(error, socket.gaierror):
        return f"the name {parameters.host!r} cannot be resolved: {error.strerror}"
    if isinstance(error, ssl.SSLError) and tls is not None:
        return tls_failure(error, tls)
    if isinstance(error, ConnectionRefusedError):
        return NOBODY
    if isinstance(error, TimeoutError):
        return str(error) or "no answer"
    if error is None or isinstance(error, ConnectionError):
        if tls is not None:
            return closed_by_tls(tls)
        return (
            f"what listens there closed the connection, when {phase} was awaited: does it speak AMQP 1.0 without TLS?"
        )
    return error.strerror or str(error)
