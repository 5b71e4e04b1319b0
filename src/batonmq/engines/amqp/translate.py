"""Between pika's values and ours: messages, and what went wrong."""

from __future__ import annotations

import pika
from pika import exceptions

from batonmq.engines.values import Message
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
from batonmq.properties import Properties

__all__ = ["error_of", "properties_from", "properties_to", "unreachable"]

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


def unreachable(error: BaseException, parameters: pika.URLParameters) -> BatonError:
    """Why no connection could be opened."""
    where = f"{parameters.host}:{parameters.port}"
    user = parameters.credentials.username
    causes: list[BaseException] = [error, *(one for one in getattr(error, "exceptions", ()))]
    refused = (exceptions.ProbableAuthenticationError, exceptions.AuthenticationError)
    if any(isinstance(cause, refused) for cause in causes):
        return AccessRefused(f"the broker at {where} refused to log in user {user!r}")
    if any(isinstance(cause, exceptions.ProbableAccessDeniedError) for cause in causes):
        return AccessRefused(f"user {user!r} has no access to virtual host {parameters.virtual_host!r} at {where}")
    closed = [cause for cause in causes if isinstance(cause, exceptions.ConnectionClosedByBroker)]
    if closed:
        return error_of(closed[0])
    return ConnectionLost(f"cannot connect to {where}: {_innermost(error)}")


def _innermost(error: BaseException) -> str:
    inner = list(getattr(error, "exceptions", ()))
    return _innermost(inner[-1]) if inner else str(error) or type(error).__name__


def properties_to(message: Message) -> pika.BasicProperties:
    """A message's properties as pika sends them."""
    ours = message.delayed
    return pika.BasicProperties(
        content_type=ours.content_type,
        content_encoding=ours.content_encoding,
        headers=ours.headers,
        delivery_mode=ours.delivery_mode,
        priority=ours.priority or None,
        correlation_id=ours.correlation_id,
        reply_to=ours.reply_to,
        expiration=ours.expiration,
        message_id=ours.message_id,
        timestamp=ours.timestamp,
        type=ours.type,
        app_id=ours.app_id,
    )


def properties_from(theirs: pika.BasicProperties) -> Properties:
    """Properties as pika read them."""
    return Properties.make(
        content_type=theirs.content_type,
        content_encoding=theirs.content_encoding,
        headers=theirs.headers,
        delivery_mode=theirs.delivery_mode,
        priority=theirs.priority,
        correlation_id=theirs.correlation_id,
        reply_to=theirs.reply_to,
        expiration=theirs.expiration,
        message_id=theirs.message_id,
        timestamp=theirs.timestamp,
        type=theirs.type,
        user_id=theirs.user_id,
        app_id=theirs.app_id,
    )
