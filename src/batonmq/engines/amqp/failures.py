"""Errors of pika's connections and channels, as errors of the API."""

from __future__ import annotations

import re
import socket
import ssl

from pika import exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout, AMQPConnectorTransportSetupError

from batonmq.engines.amqp.parameters import AmqpParameters
from batonmq.engines.failures import NOBODY
from batonmq.engines.tls_failures import closed_by_tls, tls_failure
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

__all__ = ["error_of", "told_to_sender", "unreachable", "was_held_too_long"]

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
    """The reason why a channel or connection was closed, as an error of the API."""
    if isinstance(error, BatonError):
        return error
    if isinstance(error, (exceptions.ChannelClosed, exceptions.ConnectionClosed)):
        kind = BY_CODE.get(error.reply_code)
        text = str(error.reply_text)
        if kind is not None:
            # RabbitMQ's texts begin with the name of the code, which the class of our error says already.
            return kind(text.partition(" - ")[2] or text)
        return ConnectionLost(f"the broker closed the connection: {text}")
    return ConnectionLost(f"the connection was lost: {str(error) or type(error).__name__}")


# The texts with which RabbitMQ and BatonMQ close the channel of a message that is too large.
TOO_LARGE = re.compile(r"message size (\d+) is larger than")


def told_to_sender(error: BatonError, size: int) -> BatonError:
    """The error for a sender whose channel closed before a confirm; its body had that many bytes.

    A message that is too large closes the channel for the others on it, whose fate is then unknown.
    """
    found = TOO_LARGE.search(str(error))
    if found is None:
        return error
    if size >= int(found[1]):
        return MessageTooLarge(str(error))
    return ConnectionLost("the channel was closed for another message, which was too large, before the broker answered")


def was_held_too_long(error: BatonError) -> bool:
    """Did the broker close a channel because a delivery was not settled in time?

    RabbitMQ up to 4.2 does so after 30 minutes (consumer_timeout), and gives back what was held on the channel.
    """
    return isinstance(error, PreconditionFailed) and str(error).startswith("delivery acknowledgement on channel")


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


def _why(causes: list[BaseException], parameters: AmqpParameters) -> str:
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return f"the name {parameters.host!r} cannot be resolved: {cause.strerror}"
        if isinstance(cause, ssl.SSLError) and parameters.tls is not None:
            return tls_failure(cause, parameters.tls)
    for cause in causes:
        if isinstance(cause, ConnectionRefusedError):
            return NOBODY
        if isinstance(cause, TimeoutError | AMQPConnectorStackTimeout) or "Timeout while setting up AMQP" in str(cause):
            return f"no answer within {parameters.stack_timeout:g} s"
    for cause in causes:
        if isinstance(cause, AMQPConnectorTransportSetupError) and parameters.tls is not None:
            return closed_by_tls(parameters.tls)
        if isinstance(cause, exceptions.IncompatibleProtocolError | exceptions.StreamLostError):
            if parameters.tls is not None:
                return closed_by_tls(parameters.tls)
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
