"""OpenTelemetry spans for the API's operations, in programs that have a tracer provider."""

from __future__ import annotations
