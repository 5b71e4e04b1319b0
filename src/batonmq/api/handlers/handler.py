"""A handler, ready to be called: with what its parameters ask for, and with a reply out of what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from batonmq.api import asynchronous, synchronous
from batonmq.api.handlers.parameters import NOTHING, Asked, Signature, read_signature
from batonmq.engines.messages import Message, encode_json, received_message

__all__ = ["AnyDelivery", "Handler", "Middleware", "is_awaited"]

AnyDelivery = synchronous.Delivery | asynchronous.Delivery
Call = Callable[[Any], Any]
Middleware = Callable[[Any, Call], Any]
"""Is called with a delivery and with what goes on with it; what it returns counts as the handler's."""


class Handler:
    """A function that is called with the messages of a queue.

    ``call`` takes a delivery. It raises InvalidMessage for a body that does not fit, and otherwise what the handler
    raises. The call of an ``async def`` is to be awaited.
    """

    __slots__ = ("always_replies", "call", "function", "is_async", "name", "signature")

    def __init__(
        self,
        function: Callable[..., object],
        *,
        is_async: bool | None = None,
        names: Mapping[str, object] | None = None,
    ) -> None:
        """``is_async``: is what it returns to be awaited; None: as it says itself.
        ``names``: what annotations may mean beside the globals of the handler's module.

        Raises TypeError for what cannot be called, and for parameters of which nobody can tell what they are to get.
        """
        if not callable(function):
            raise TypeError(f"a handler is a function, not {type(function).__name__}")
        self.function = function
        self.is_async: bool = is_awaited(function) if is_async is None else is_async
        self.name: str = getattr(function, "__name__", type(function).__name__)
        self.signature: Signature = read_signature(function, is_async=self.is_async, names=names or {})
        self.call: Call = _caller(function, self.signature)
        # A handler with a return type answers every request, even if the answer is null.
        self.always_replies: bool = self.signature.returns not in (NOTHING, None, type(None))

    def within(self, middlewares: Sequence[Middleware]) -> Call:
        """The call inside of middlewares, the first of which is the outermost."""
        call = self.call
        for middleware in reversed(middlewares):
            call = _wrapped(middleware, call)
        return call

    def reply(self, asked: Message, value: object) -> Message | None:
        """The reply to a message, out of what the handler has returned; None: there is none to send.

        Raises TypeError for a value that JSON cannot say.
        """
        if asked.reply_to is None or (value is None and not self.always_replies):
            return None
        if isinstance(value, Message):
            return value if value.correlation_id is not None else _tied(value, asked)
        if isinstance(value, bytes):
            return Message(value, correlation_id=asked.correlation_id, durable=asked.durable)
        return Message(
            encode_json(value),
            content_type="application/json",
            correlation_id=asked.correlation_id,
            durable=asked.durable,
        )


def is_awaited(function: Callable[..., object]) -> bool:
    """Is it to be awaited? An object with ``__call__`` may be, too."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _tied(reply: Message, asked: Message) -> Message:
    if asked.correlation_id is None:
        return reply
    return received_message(reply.body, reply.properties.replace(correlation_id=asked.correlation_id))


def _wrapped(middleware: Middleware, call: Call) -> Call:
    return lambda delivery: middleware(delivery, call)


def _caller(function: Callable[..., Any], signature: Signature) -> Call:
    if signature.positional == ("delivery",) and not signature.named:
        return function
    if signature.positional == ("body",) and not signature.named and signature.body is not None:
        read = signature.body.read
        return lambda delivery: function(read(delivery.message))
    return lambda delivery: _call(function, signature, delivery)


def _call(function: Callable[..., object], signature: Signature, delivery: AnyDelivery) -> object:
    message: Message = delivery.message

    def value(asked: Asked) -> object:
        if asked == "delivery":
            return delivery
        if asked == "message" or signature.body is None:
            return message
        return signature.body.read(message)

    return function(*map(value, signature.positional), **{name: value(asked) for name, asked in signature.named})
