"""The numbers of log-ins, by outcome."""

from __future__ import annotations

from batonmq.management.http.call import Call
from batonmq.management.http.errors import not_found
from batonmq.management.http.responses import Json, NoContent, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route, beside_the_store
from batonmq.server.log_in_counts import LogInCounts, Outcomes

__all__ = ["ROUTES"]


def _counts(call: Call) -> LogInCounts:
    """Raises HttpError: there is no node of that name (404)."""
    if call.path["node"] != call.context.node:
        raise not_found()
    return call.context.parts.log_ins.counts


def _shown(outcomes: Outcomes) -> dict[str, int]:
    return {
        "auth_attempts": outcomes.attempts,
        "auth_attempts_failed": outcomes.refused,
        "auth_attempts_succeeded": outcomes.succeeded,
        "auth_attempts_blocked": outcomes.blocked,
    }


async def get_attempts(call: Call) -> Response:
    return Json([{"protocol": protocol, **_shown(outcomes)} for protocol, outcomes in _counts(call).by_protocol()])


async def get_sources(call: Call) -> Response:
    return Json(
        [
            {
                "remote_address": source.address,
                "username": source.user,
                "protocol": source.protocol,
                **_shown(outcomes),
            }
            for source, outcomes in _counts(call).by_source()
        ]
    )


async def clear_attempts(call: Call) -> Response:
    _counts(call).clear()
    return NoContent()


async def clear_sources(call: Call) -> Response:
    _counts(call).clear_sources()
    return NoContent()


PATH = "/api/auth/attempts/{node}"

ROUTES = beside_the_store(
    Route("GET", PATH, get_attempts, "Log-ins by protocol.", may=Tag.MONITORING),
    Route("DELETE", PATH, clear_attempts, "Reset the counts of log-ins.", may=Tag.ADMINISTRATOR),
    Route("GET", f"{PATH}/source", get_sources, "Log-ins by address and user name.", may=Tag.MONITORING),
    Route(
        "DELETE", f"{PATH}/source", clear_sources, "Reset the counts by address and user name.", may=Tag.ADMINISTRATOR
    ),
)
