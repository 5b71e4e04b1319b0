"""The spans of a connection: names, kinds and attributes of OpenTelemetry's semantic conventions for messaging.

    send            PRODUCER   one for each call; its context goes into the messages that have none
    receive         CLIENT     one for each call that brought messages, with a link to where each was created
    process         CONSUMER   while a handler, or the block of a delivery, works on one message
    settle          CLIENT     accept, release, reject

A span that starts while another is active becomes its child. Otherwise its message decides: a process span is a child
of the span that created the message, a settle span of the process or receive span before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TypeVar

from opentelemetry import context as contexts, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from batonmq.api.tracing.carrying import context_of, creation_of
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message

__all__ = ["Spans", "Trail", "failed", "until"]

T = TypeVar("T")

Operation = Literal["send", "receive", "process", "settle"]


class Trail:
    """The spans of a received message: the one that created it, and the last one that concerned it."""

    __slots__ = ("carried", "last", "links", "message", "queue")

    def __init__(self, queue: str, message: Message) -> None:
        self.queue = queue
        self.message = message
        self.carried = context_of(message)
        """The context that the message carries."""
        creation = creation_of(self.carried)
        self.links = [] if creation is None else [Link(creation)]
        """A link to the span that created the message."""
        self.last = self.carried
        """The context of the last span."""

    def went_through(self, span: Span) -> None:
        """Note the last span that concerned the message."""
        self.last = trace.set_span_in_context(span, self.carried)

    def parent(self) -> Context | None:
        """The parent context for a new span: None, meaning the current one, if a span is active already."""
        return None if trace.get_current_span().get_span_context().is_valid else self.last


def failed(span: Span, error: BaseException) -> None:
    """Record that the span's work failed with this error."""
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR, str(error)))


def until(future: Future[T], spans: Sequence[Span]) -> Future[T]:
    """End the spans with the outcome of the future, which is returned."""

    def end() -> None:
        for span in spans:
            if future.error is not None:
                failed(span, future.error)
            span.end()

    future.when_done(end)
    return future


class Spans:
    """Begins and ends the spans of one connection."""

    def __init__(self, tracer: Tracer, system: str, host: str | None, port: int | None) -> None:
        """``system``: the product that holds the queues. ``host``, ``port``: the server's; None: there is none."""
        self._tracer = tracer
        self._common: dict[str, AttributeValue] = {"messaging.system": system}
        if host is not None:
            self._common["server.address"] = host
        if port is not None:
            self._common["server.port"] = port

    def send(self, queues: Sequence[str], messages: Sequence[Message], name: str = "send") -> Span:
        """A span for sending, with a link to the creator of each message that has a context already."""
        return self._begin("send", name, SpanKind.PRODUCER, queues, messages, links=_links(messages))

    def trail(self, queue: str, message: Message) -> Trail:
        """The spans of a message received from this queue."""
        return Trail(queue, message)

    def received(self, queue: str, trails: Sequence[Trail], began: int) -> None:
        """A call of receive, which began then (ns of the epoch), has brought messages."""
        messages = [trail.message for trail in trails]
        links = [link for trail in trails for link in trail.links]
        span = self._begin("receive", "receive", SpanKind.CLIENT, [queue], messages, links=links, began=began)
        for trail in trails:
            trail.went_through(span)
        span.end()

    def receive_failed(self, queue: str, error: BaseException, began: int) -> None:
        """A call of receive, which began then (ns of the epoch), has failed."""
        span = self._begin("receive", "receive", SpanKind.CLIENT, [queue], (), began=began)
        failed(span, error)
        span.end()

    def begin_process(self, trail: Trail) -> Callable[[BaseException | None], None]:
        """Start a span for work on a message, and make it current.

        The returned function ends it, in the same task or thread.
        """
        parent = trail.parent()
        span = self._begin(
            "process", "process", SpanKind.CONSUMER, [trail.queue], [trail.message], links=trail.links, parent=parent
        )
        trail.went_through(span)
        token = contexts.attach(trace.set_span_in_context(span, parent))

        def end(error: BaseException | None) -> None:
            contexts.detach(token)
            if error is not None and not isinstance(error, asyncio.CancelledError | GeneratorExit):
                span.record_exception(error)
                failed(span, error)
            span.end()

        return end

    @contextmanager
    def settle(self, trail: Trail, name: Literal["accept", "release", "reject"]) -> Iterator[None]:
        """A context manager: a span around settling a message."""
        span = self._begin(
            "settle",
            name,
            SpanKind.CLIENT,
            [trail.queue],
            [trail.message],
            links=trail.links,
            parent=trail.parent(),
        )
        try:
            yield
        except BaseException as error:
            failed(span, error)
            raise
        finally:
            span.end()

    def accepted_together(self, messages: Sequence[Message]) -> Span:
        """A span around accepting messages in a transaction."""
        return self._begin("settle", "accept", SpanKind.CLIENT, (), messages, links=_links(messages))

    def _begin(
        self,
        operation: Operation,
        name: str,
        kind: SpanKind,
        queues: Sequence[str],
        messages: Sequence[Message],
        *,
        links: Sequence[Link] = (),
        parent: Context | None = None,
        began: int | None = None,
    ) -> Span:
        attributes = dict(self._common)
        attributes["messaging.operation.type"] = operation
        attributes["messaging.operation.name"] = name
        title = name
        if len(queues) == 1:
            attributes["messaging.destination.name"] = queues[0]
            title = f"{name} {queues[0]}"
        if len(messages) == 1:
            message = messages[0]
            attributes["messaging.message.body.size"] = len(message.body)
            if (identifier := message.id) is not None:
                attributes["messaging.message.id"] = identifier
            if (conversation := message.correlation_id) is not None:
                attributes["messaging.message.conversation_id"] = conversation
        elif messages:
            attributes["messaging.batch.message_count"] = len(messages)
        return self._tracer.start_span(title, parent, kind, attributes, links, began)


def _links(messages: Sequence[Message]) -> list[Link]:
    creations = [creation_of(context_of(message)) for message in messages]
    return [Link(creation) for creation in creations if creation is not None]
