"""The context of a trace in the headers of a message: ``traceparent``, ``tracestate`` and whatever else is configured.

W3C's "Trace Context: AMQP protocol" and OpenTelemetry's propagators name the headers. A message that already has a
context keeps it: it may have been created long before it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Span, SpanContext

from batonmq.engines.messages import Message, received_message
from batonmq.fields import FieldError, FieldValue

__all__ = ["context_of", "creation_of", "with_context"]


class _Headers(Getter[Mapping[str, FieldValue]]):
    """Reads headers for OpenTelemetry. They come from anyone, so a value that is not text is ignored."""

    def get(self, carrier: Mapping[str, FieldValue], key: str) -> list[str] | None:
        value = carrier.get(key)
        # Some clients write text as bytes.
        if isinstance(value, bytes):
            value = value.decode("ascii", "replace")
        return [value] if isinstance(value, str) else None

    def keys(self, carrier: Mapping[str, FieldValue]) -> list[str]:
        return list(carrier)


_GETTER = _Headers()


def context_of(message: Message) -> Context:
    """The context that the message carries; an empty one when it carries none."""
    try:
        headers = message.headers
    except FieldError:
        return Context()
    return propagate.extract(headers, Context(), _GETTER) if headers else Context()


def creation_of(context: Context) -> SpanContext | None:
    """The span in which the message of that context was created; None: unknown."""
    found = trace.get_current_span(context).get_span_context()
    return found if found.is_valid else None


def with_context(message: Message, span: Span) -> Message:
    """The message with the span's context; unchanged if it has one already, or no room for it."""
    if creation_of(context_of(message)) is not None:
        return message
    carrier: dict[str, str] = {}
    propagate.inject(carrier, trace.set_span_in_context(span))
    if not carrier:
        return message
    try:
        properties = message.properties.replace(headers={**message.headers, **carrier})
    except FieldError:
        return message
    return received_message(message.body, properties, message.delay)
