"""Metrics for Prometheus, by the names of RabbitMQ's prometheus plugin where there is one, and by our own."""

from __future__ import annotations
