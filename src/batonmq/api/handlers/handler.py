"""A handler, ready to be called: its parameters get what they ask for, and its return value becomes a reply."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping, Sequence
from typing import Any

from batonmq.api import asynchronous, synchronous
from batonmq.api.handlers.parameters import NOTHING, Asked, Signature, read_signature
from batonmq.engines.messages import Message, encode_json, received_message

__all__ = ["AnyDelivery", "Handler", "Middleware", "is_awaited"]

AnyDelivery = synchronous.Delivery | asynchronous.Delivery
Call = Callable[[Any], Any]
# To accept the message of a handler that returned one of these would lose it.
NOT_RUN = (Coroutine, Generator, AsyncGenerator)
Middleware = Callable[[Any, Call], Any]
"""A function that is called with a delivery and with the next call; its return value counts as the handler's."""


class Handler:
    """A function that is called with the messages of a queue.

    ``call`` takes a delivery. It raises InvalidMessage for a body that does not fit, and the handler's own errors. For
    an ``async def`` the call returns an awaitable.
    """

    __slots__ = ("always_replies", "call", "function", "is_async", "name", "signature")

    def __init__(
        self,
        function: Callable[..., object],
        *,
        is_async: bool | None = None,
        names: Mapping[str, object] | None = None,
    ) -> None:
        """``is_async``: does its result have to be awaited? None: determined from the function.

        ``names``: names that annotations may use beside the globals of the handler's module.

        Raises TypeError for an object that cannot be called, for a generator, and for parameters that do not say what
        they take.
        """
        if not callable(function):
            raise TypeError(f"a handler is a function, not {type(function).__name__}")
        self.function = function
        self.is_async: bool = is_awaited(function) if is_async is None else is_async
        self.name: str = getattr(function, "__name__", type(function).__name__)
        if _is_generator(function):
            raise TypeError(f"handler {self.name} is a generator, which would never run: it may not contain yield")
        self.signature: Signature = read_signature(function, is_async=self.is_async, names=names or {})
        self.call: Call = _caller(function, self.signature)
        # A handler with a return type answers every request, even if the answer is null.
        self.always_replies: bool = self.signature.returns not in (NOTHING, None, type(None))

    def within(self, middlewares: Sequence[Middleware]) -> Call:
        """The call, wrapped in middlewares; the first is the outermost."""
        call = self.call
        for middleware in reversed(middlewares):
            call = _wrapped(middleware, call)
        return call

    def reply(self, asked: Message, value: object) -> Message | None:
        """The reply to a message, made from the handler's result; None: there is none to send.

        Raises TypeError for a value that JSON cannot hold, and for one that is what was to be done, not done.
        """
        if value is not None and isinstance(value, NOT_RUN):
            raise _not_run(self.name, value)
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
    """Does its result have to be awaited? It may be an object with ``__call__``, too."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _is_generator(function: Callable[..., object]) -> bool:
    called = (function, type(function).__call__)
    return any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in called)


def _not_run(name: str, value: object) -> TypeError:
    """The error for a handler that returned, or had a middleware return, what nobody will run."""
    if isinstance(value, Coroutine):
        # Or Python warns of it as well.
        value.close()
    return TypeError(f"handler {name} returned a {type(value).__name__}, which has not run: is an await missing?")


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
