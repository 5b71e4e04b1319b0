"""Finds out once for each connection whether the program traces; if it does not, tracing costs nothing."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from batonmq.engines.interface import Engine
from batonmq.engines.urls import Target

__all__ = ["traced"]

# Names the provider that OpenTelemetry loads by itself on first use.
PROVIDER_VARIABLE = "OTEL_PYTHON_TRACER_PROVIDER"
PORT, TLS_PORT = 5672, 5671


def traced(engine: Engine, target: Target) -> Engine:
    """The engine with spans around what it does, if OpenTelemetry has a tracer provider now; otherwise unchanged."""
    # A program that has set a provider has imported this. Otherwise there is no need to import the library.
    if "opentelemetry.trace" not in sys.modules and PROVIDER_VARIABLE not in os.environ:
        return engine
    try:
        from batonmq.api.tracing.engine import trace_engine
    except ImportError:
        return engine
    host, port = None, None
    if target.engine in ("amqp", "amqp10"):
        parts = urlsplit(target.location)
        host, port = parts.hostname, parts.port or (TLS_PORT if parts.scheme.lower().endswith("s") else PORT)
    return trace_engine(engine, host, port)
