"""What the handlers of requests know of the server."""

from __future__ import annotations

from dataclasses import dataclass

from batonmq.management.log_lines import LogLines
from batonmq.management.statistics.statistics import Statistics
from batonmq.server.extensions import Parts
from batonmq.shovels.service import Shovels

__all__ = ["Context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One for each server."""

    parts: Parts
    statistics: Statistics
    """The counters of everything, and their samples."""
    shovels: Shovels
    """Those that the server runs."""
    log_lines: LogLines
    """The last lines of the log."""
    started_at: float
    """When the server started, in seconds since the epoch."""
    node: str
    """The name of this node, in RabbitMQ's form."""
