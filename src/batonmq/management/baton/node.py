"""The store and the log of a node."""

from __future__ import annotations

import logging

from batonmq.management.baton.queues import GROUP
from batonmq.management.http.call import Call
from batonmq.management.http.errors import BadRequest
from batonmq.management.http.responses import Json, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route

__all__ = ["LEVELS", "ROUTES"]

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
LINES_DEFAULT, LINES_MAX = 100, 1_000


async def store(call: Call) -> Response:
    """The state of the store."""
    status = call.context.parts.broker.store.status()
    commits = status.commits
    return Json(
        {
            "path": status.path or None,
            "size": status.size,
            "free": status.free,
            "page_size": status.page_size,
            "disk_free": status.disk_free,
            "log": {"size": status.log_size, "used_size": status.log_used},
            "checkpoint": {
                "due_size": status.checkpoint_size,
                "count": status.checkpoints,
                "failed": status.checkpoints_failed,
            },
            "commits": {
                "count": commits.count,
                "failed": commits.failed,
                "last_ms": _milliseconds(commits.last),
                "p50_ms": _milliseconds(commits.median),
                "p99_ms": _milliseconds(commits.percentile_99),
                "max_ms": _milliseconds(commits.longest),
            },
            "pending": {
                "batch": status.batch,
                "committed_batch": status.committed,
                "is_committing": status.is_committing,
                "bytes": status.pending,
            },
            "is_full": status.is_full,
            "fault": status.fault or None,
        }
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


async def log(call: Call) -> Response:
    """The last lines of the log."""
    level = call.query.text("level") or "debug"
    severity = LEVELS.get(level.lower())
    if severity is None:
        raise BadRequest(f"level: expected one of {', '.join(LEVELS)}, got {level[:64]!r}")
    most = call.query.number("count", 1, LINES_MAX) or LINES_DEFAULT
    return Json(
        {
            "lines": [
                {"at": line.at, "level": line.level, "logger": line.logger, "message": line.message}
                for line in call.context.log_lines.last(most, severity)
            ]
        }
    )


ROUTES = (
    Route("GET", "/api/baton/store", store, "The state of the store.", Tag.MONITORING, GROUP),
    Route(
        "GET",
        "/api/baton/log",
        log,
        "The last lines of the log, the newest last.",
        Tag.MONITORING,
        GROUP,
        query={"count": "How many: 1 to 1,000; 100 without it.", "level": "Only lines of this level or a higher one."},
    ),
)
