"""Management over HTTP: RabbitMQ's API, BatonMQ's own, and the web page."""

from __future__ import annotations

from batonmq.management.service import Management

__all__ = ["Management"]
