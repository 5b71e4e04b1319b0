"""The two ends of a shovel, open: a queue or an exchange of a broker, or a queue of any engine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast
from urllib.parse import urlsplit

from batonmq.api.connections.connect import open_engine
from batonmq.engines.amqp.engine import AmqpEngine
from batonmq.engines.amqp.wire import Dial
from batonmq.engines.futures import Future
from batonmq.engines.interface import Engine, Subscription
from batonmq.engines.messages import Message
from batonmq.engines.urls import parse_url
from batonmq.engines.values import Capabilities, Incoming, QueueOptions
from batonmq.errors import BatonError, ConnectionLost, LeaseLost, NotFound, PreconditionFailed
from batonmq.fields import FieldValue
from batonmq.shovels.carrying import From, Into
from batonmq.shovels.settings import End
from batonmq.shovels.uris import LOCAL, is_local

__all__ = ["Destination", "Local", "Source", "open_destination", "open_source"]

T = TypeVar("T")

# How long a broker has to answer, in seconds.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Local:
    """How to reach the broker that the shovel runs in."""

    url: str
    """The URL, with the user who logs in, and the virtual host."""
    dial: Dial
    """Opens a socket to it."""


# Finds the access for an AMQP URL without a host. Raises ConnectionLost.
FindLocal = Callable[[str], Local]


def answered(future: Future[T], seconds: float = PATIENCE, *, waited: float = 0.0) -> T:
    """The result of a future. Raises ConnectionLost when it takes too long, and the future's own error.

    ``waited``: how many of the seconds have passed already.
    """
    if not future.wait(max(0.0, seconds - waited)):
        raise ConnectionLost(f"there was no answer within {seconds:g} s")
    return future.result()


def _open(end: End, uri: str, find_local: FindLocal) -> Engine:
    if end.protocol == "local" or is_local(uri):
        local = find_local(uri)
        return AmqpEngine(local.url, dial=local.dial)
    if end.protocol == "amqp10" and urlsplit(uri).scheme in LOCAL:
        scheme, _, rest = uri.partition(":")
        uri = f"{'amqp10s' if scheme == 'amqps' else 'amqp10'}:{rest}"
    if urlsplit(uri).scheme in LOCAL:
        return AmqpEngine(uri)
    try:
        return open_engine(parse_url(uri))
    except (ValueError, ImportError) as error:
        raise ConnectionLost(str(error)) from None


def _open_any(end: End, find_local: FindLocal) -> tuple[Engine, str]:
    """Connect to the first URL that can be reached. Raises BatonError, the error of the last one."""
    error: BatonError = ConnectionLost("there is no URL")
    for uri in end.uris:
        try:
            return _open(end, uri, find_local), uri
        except ValueError as wrong:
            error = ConnectionLost(str(wrong))
        except BatonError as failed:
            error = failed
    raise error


def _declare(engine: Engine, end: End, queue: str) -> None:
    """Declare the queue, unless it exists with any options. Raises BatonError."""
    if isinstance(engine, AmqpEngine):
        try:
            answered(engine.topology.require_queue(queue))
        except NotFound:
            if end.is_predeclared:
                raise
            arguments = cast("dict[str, FieldValue]", dict(end.queue_arguments))
            answered(engine.topology.declare_queue(queue, arguments=arguments))
        return
    if engine.capabilities.count:
        try:
            answered(engine.count(queue))
        except NotFound:
            if end.is_predeclared:
                raise
        else:
            return
    if not end.is_predeclared:
        answered(engine.declare(queue, QueueOptions()))


class Source(From):
    """An open source."""

    def __init__(self, engine: Engine, queue: str, uri: str) -> None:
        self._engine = engine
        self._subscription: Subscription | None = None
        self.queue = queue
        self.uri = uri
        """The one of its URLs that is connected to."""

    def count(self) -> int:
        """How many messages are ready."""
        return answered(self._engine.count(self.queue))

    def subscribe(self, prefetch: int) -> None:
        """Start receiving."""
        self._subscription = answered(self._engine.subscribe(self.queue, prefetch))

    def receive(self, most: int, seconds: float) -> list[Incoming]:
        subscription = self._subscription
        assert subscription is not None
        future = subscription.receive(most)
        if not future.wait(seconds):
            subscription.withdraw(future)
        return future.get()

    def is_empty(self) -> bool:
        return not self._engine.capabilities.count or self.count() == 0

    def accept(self, messages: Sequence[Incoming]) -> None:
        subscription = self._subscription
        assert subscription is not None
        if self._engine.capabilities.engine == "embedded":
            # A plain settlement waits for the next commit: a kill of this process before it would move messages twice.
            with contextlib.suppress(LeaseLost):
                answered(self._engine.transact((), [(subscription, incoming) for incoming in messages]))
                return
        for incoming in messages:
            # Its connection was lost; it comes again over the next one.
            with contextlib.suppress(LeaseLost):
                subscription.settle(incoming, "accept")

    @property
    def can(self) -> Capabilities:
        """The capabilities of its engine."""
        return self._engine.capabilities

    def pass_on(self, queue: str, messages: Sequence[Incoming]) -> None:
        """Send these to another queue of this engine, and accept them, in one transaction. Raises BatonError."""
        subscription = self._subscription
        assert subscription is not None
        sends = [(queue, incoming.message) for incoming in messages]
        answered(self._engine.transact(sends, [(subscription, incoming) for incoming in messages]), 2 * PATIENCE)

    def declare(self, end: End, queue: str) -> None:
        """Declare another queue at this engine, unless it exists. Raises BatonError."""
        _declare(self._engine, end, queue)

    def set_aside(self, queue: str, message: Message) -> None:
        self.declare(End("", (), queue), queue)
        answered(self._engine.send(queue, [message]), 2 * PATIENCE)

    def finish(self) -> None:
        """Have the broker get all acceptances, and give back the other messages. Raises BatonError."""
        if self._subscription is not None:
            answered(self._subscription.close())

    def close(self) -> None:
        """Close the engine; messages that were not accepted go back."""
        self._engine.close()


class Destination(Into):
    """An open destination."""

    def __init__(self, engine: Engine, end: End, uri: str) -> None:
        self._engine = engine
        self._end = end
        self.uri = uri

    @property
    def can(self) -> Capabilities:
        return self._engine.capabilities

    def send(self, messages: Sequence[Incoming]) -> list[BatonError | None]:
        futures: list[Future[None]] = []
        for one in messages:
            future = self._send(one)
            futures.append(future)
            if future.failed:
                # Later messages would overtake it.
                break
        began = time.monotonic()
        outcomes: list[BatonError | None] = []
        for future in futures:
            try:
                answered(future, 2 * PATIENCE, waited=time.monotonic() - began)
            except BatonError as error:
                outcomes.append(error)
            except ValueError as error:  # headers that fit no frame, for example
                outcomes.append(PreconditionFailed(str(error)))
            else:
                outcomes.append(None)
        return outcomes

    def _send(self, one: Incoming) -> Future[None]:
        """Send one message alone: of a batch it would be unknown which ones have arrived."""
        end, engine = self._end, self._engine
        try:
            if end.queue is not None:
                return engine.send(end.queue, [one.message])
            assert isinstance(engine, AmqpEngine)
            exchange, key = one.origin or ("", "")
            return engine.topology.publish(
                exchange if end.exchange is None else end.exchange,
                key if end.routing_key is None else end.routing_key,
                [one.message],
            )
        except (BatonError, ValueError, TypeError) as error:
            refused: Future[None] = Future()
            refused.fail(error if isinstance(error, BatonError) else PreconditionFailed(str(error)))
            return refused

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


def open_source(end: End, find_local: FindLocal) -> Source:
    """Connect to an end, and declare its queue if necessary. Raises BatonError."""
    engine, uri = _open_any(end, find_local)
    try:
        queue = end.queue
        if queue is not None:
            _declare(engine, end, queue)
            return Source(engine, queue, uri)
        assert end.exchange is not None
        topology = _topology(engine)
        own = answered(topology.topology.declare_own_queue())
        answered(topology.topology.bind(end.exchange, own, end.routing_key or ""))
        return Source(engine, own, uri)
    except BaseException:
        engine.close()
        raise


def open_destination(end: End, find_local: FindLocal) -> Destination:
    """Connect to an end, and declare its queue if necessary. Raises BatonError."""
    engine, uri = _open_any(end, find_local)
    try:
        if end.queue is not None:
            _declare(engine, end, end.queue)
        else:
            _topology(engine)
        return Destination(engine, end, uri)
    except BaseException:
        engine.close()
        raise


def _topology(engine: Engine) -> AmqpEngine:
    if not isinstance(engine, AmqpEngine):
        raise NotFound("there are exchanges over AMQP 0-9-1 alone: name a queue")
    return engine
