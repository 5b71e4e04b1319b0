"""Listeners, connections, timers, commits, an orderly stop: the only package that knows asyncio and opens sockets."""

from __future__ import annotations
