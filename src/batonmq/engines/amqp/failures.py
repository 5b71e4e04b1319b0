"""What went wrong with a connection or a channel of pika's, as the API tells it."""

from __future__ import annotations

import socket
import ssl

from pika import exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout, AMQPConnectorTransportSetupError

from batonmq.engines.amqp.parameters import AmqpParameters
from batonmq.engines.amqp.tls_failures import closed_by_tls, tls_failure
from batonmq.errors import (
    AccessRefused,
    BatonError,
    BrokerError,
    ConnectionLost,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    ResourceError,
    ResourceLocked,
    Unsupported,
)

__all__ = ["NOBODY", "error_of", "unreachable"]

# AMQP 0-9-1 section 1.2, constants of class soft-error and hard-error.
BY_CODE: dict[int, type[BrokerError]] = {
    403: AccessRefused,
    404: NotFound,
    405: ResourceLocked,
    406: PreconditionFailed,
    506: ResourceError,
    530: NotAllowed,
    540: Unsupported,
}


def error_of(error: BaseException) -> BatonError:
    """Why a channel or a connection was closed, as the API tells it."""
    if isinstance(error, BatonError):
        return error
    if isinstance(error, (exceptions.ChannelClosed, exceptions.ConnectionClosed)):
        kind = BY_CODE.get(error.reply_code)
        text = str(error.reply_text)
        if kind is not None:
            # RabbitMQ's texts begin with the code in words, which the class of the error says.
            return kind(text.partition(" - ")[2] or text)
        return ConnectionLost(f"the broker closed the connection: {text}")
    return ConnectionLost(f"the connection was lost: {str(error) or type(error).__name__}")


def unreachable(error: BaseException, parameters: AmqpParameters) -> BatonError:
    """Why no connection could be opened."""
    where = f"{parameters.host}:{parameters.port}"
    login = parameters.login
    causes = _causes(error)
    if any(isinstance(cause, exceptions.AuthenticationError) for cause in causes):
        mechanism = parameters.credentials.TYPE
        return AccessRefused(f"the broker at {where} does not offer the log-in {mechanism} that was asked for")
    if any(isinstance(cause, exceptions.ProbableAuthenticationError) for cause in causes):
        wrong = "it knows none" if parameters.is_external else "wrong name or password"
        return AccessRefused(f"the broker at {where} refused to log in {login}: {wrong}")
    if any(isinstance(cause, exceptions.ProbableAccessDeniedError) for cause in causes):
        return AccessRefused(f"{login} has no access to virtual host {parameters.virtual_host!r} at {where}")
    closed = [cause for cause in causes if isinstance(cause, exceptions.ConnectionClosedByBroker)]
    if closed:
        return error_of(closed[0])
    return ConnectionLost(f"cannot connect to {where}: {_why(causes, parameters)}")


NOBODY = "is the broker running?"


def _why(causes: list[BaseException], parameters: AmqpParameters) -> str:
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return f"the name {parameters.host!r} cannot be resolved: {cause.strerror}"
        if isinstance(cause, ssl.SSLError):
            return tls_failure(cause, parameters)
    for cause in causes:
        if isinstance(cause, ConnectionRefusedError):
            return NOBODY
        if isinstance(cause, TimeoutError | AMQPConnectorStackTimeout) or "Timeout while setting up AMQP" in str(cause):
            return f"no answer within {parameters.stack_timeout:g} s"
    for cause in causes:
        if isinstance(cause, AMQPConnectorTransportSetupError):
            return closed_by_tls(parameters)
        if isinstance(cause, exceptions.IncompatibleProtocolError | exceptions.StreamLostError):
            if parameters.ssl_options is not None:
                return closed_by_tls(parameters)
            return "what listens there does not speak AMQP 0-9-1 without TLS; with TLS the URL begins with amqps://"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    inner = causes[-1]
    return str(inner) or type(inner).__name__


def _causes(error: BaseException) -> list[BaseException]:
    """An error and those inside it, in the ways that pika has of holding them."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or one in found:
            continue
        found.append(one)
        waiting += [*getattr(one, "exceptions", ()), getattr(one, "exception", None), *one.args, one.__cause__]
    return found
