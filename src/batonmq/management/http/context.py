"""The server's state for request handlers."""

from __future__ import annotations

from dataclasses import dataclass

from batonmq.management.log_lines import LogLines
from batonmq.management.statistics.statistics import Statistics
from batonmq.server.extensions import Parts
from batonmq.shovels.service import Shovels

__all__ = ["Context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The context of one server."""

    parts: Parts
    statistics: Statistics
    """All counters, and their samples."""
    shovels: Shovels
    """The server's shovels."""
    log_lines: LogLines
    """The last lines of the log."""
    started_at: float
    """When the server started, in seconds since the epoch."""
    node: str
    """The name of this node, in RabbitMQ's form."""
