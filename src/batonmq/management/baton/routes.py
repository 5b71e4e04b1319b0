"""All routes of our own API, except those of the session."""

from __future__ import annotations

from batonmq.management.baton import events, insight, node, queues

__all__ = ["BATON_ROUTES"]

BATON_ROUTES = (*events.ROUTES, *insight.ROUTES, *node.ROUTES, *queues.ROUTES)
