"""Spans of OpenTelemetry for what the API does, in programs that have a tracer provider."""

from __future__ import annotations
