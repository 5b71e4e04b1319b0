"""An engine with spans around its operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider, Span

from batonmq.api.tracing.carrying import with_context
from batonmq.api.tracing.spans import Spans, failed, until
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.futures import Future
from batonmq.engines.interface import Engine, Subscription
from batonmq.engines.messages import Message
from batonmq.engines.values import Fate, Incoming, QueueOptions

__all__ = ["TracedEngine", "trace_engine"]


def trace_engine(engine: Engine, host: str | None, port: int | None) -> Engine:
    """The engine with spans, if the program has a tracer provider; otherwise unchanged."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, ProxyTracerProvider | NoOpTracerProvider):
        return engine
    return TracedEngine(engine, Spans(provider.get_tracer("batonmq", version("batonmq")), engine.system, host, port))


class TracedEngine(Engine):
    """Forwards to the engine below. Receivers, which know what a program does with a message, use ``spans``."""

    is_traced = True

    def __init__(self, engine: Engine, spans: Spans) -> None:
        self._engine = engine
        self.capabilities = engine.capabilities
        self.system = engine.system
        self.spans = spans
        # Requests whose span is open. It ends with the outcome, or when nobody waits any more.
        self._asked: dict[Future[Message], Span] = {}

    @property
    def native(self) -> object:
        return self._engine.native

    def send(self, queue: str, messages: Sequence[Message]) -> Future[None]:
        span = self.spans.send([queue], messages)
        with _ending([span]):
            future = self._engine.send(queue, [with_context(message, span) for message in messages])
        return until(future, [span])

    def transact(
        self, sends: Sequence[tuple[str, Message]], accepts: Sequence[tuple[Subscription, Incoming]]
    ) -> Future[None]:
        spans = []
        if sends:
            queues = list(dict.fromkeys(queue for queue, _ in sends))
            span = self.spans.send(queues, [message for _, message in sends])
            sends = [(queue, with_context(message, span)) for queue, message in sends]
            spans.append(span)
        if accepts:
            spans.append(self.spans.accepted_together([incoming.message for _, incoming in accepts]))
        with _ending(spans):
            future = self._engine.transact(sends, accepts)
        return until(future, spans)

    def reply(self, request: Message, message: Message) -> Future[None]:
        span = self.spans.send((), [message], "reply")
        with _ending([span]):
            future = self._engine.reply(request, with_context(message, span))
        return until(future, [span])

    def request(self, queue: str, message: Message) -> Future[Message]:
        span = self.spans.send([queue], [message], "request")
        with _ending([span]):
            future = self._engine.request(queue, with_context(message, span))
        self._asked[future] = span
        future.when_done(lambda: self._answered(future, future.error))
        return future

    def forget(self, future: Future[Message]) -> None:
        self._answered(future, TimeoutError("no reply"))
        self._engine.forget(future)

    def _answered(self, future: Future[Message], error: BaseException | None) -> None:
        span = self._asked.pop(future, None)
        if span is not None:
            if error is not None:
                failed(span, error)
            span.end()

    # ------------------------------------------------------------------ without a span

    def declare(self, queue: str, options: QueueOptions) -> Future[None]:
        return self._engine.declare(queue, options)

    def check_declare(self, queue: str, options: QueueOptions) -> None:
        self._engine.check_declare(queue, options)

    def fate(self, queue: str) -> Fate | None:
        return self._engine.fate(queue)

    def delete(self, queue: str) -> Future[None]:
        return self._engine.delete(queue)

    def subscribe(self, queue: str, prefetch: int, lease: float | None = None) -> Future[Subscription]:
        return self._engine.subscribe(queue, prefetch, lease)

    def pull(self, queue: str, most: int = 1) -> Future[Subscription]:
        return self._engine.pull(queue, most)

    def manage(self, request: Message) -> Future[Message]:
        return self._engine.manage(request)

    def peek(self, queue: str, most: int) -> Future[list[Message]]:
        return self._engine.peek(queue, most)

    def count(self, queue: str) -> Future[int]:
        return self._engine.count(queue)

    def purge(self, queue: str) -> Future[int]:
        return self._engine.purge(queue)

    def queues(self) -> Future[list[QueueInfo]]:
        return self._engine.queues()

    def stats(self, queue: str) -> Future[QueueStats]:
        return self._engine.stats(queue)

    def move(self, source: str, target: str | None, most: int) -> Future[int]:
        return self._engine.move(source, target, most)

    def close(self) -> None:
        self._engine.close()


@contextmanager
def _ending(spans: Sequence[Span]) -> Iterator[None]:
    """End the spans if the call fails before it returns a future."""
    try:
        yield
    except BaseException as error:
        for span in spans:
            failed(span, error)
            span.end()
        raise
