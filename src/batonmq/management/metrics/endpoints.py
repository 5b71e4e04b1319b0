"""The paths of metrics, on the management port and on their own port."""

from __future__ import annotations

from batonmq.management.http.call import Call
from batonmq.management.http.errors import BadRequest
from batonmq.management.http.responses import Response, Stream
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route
from batonmq.management.metrics.departed import Departed
from batonmq.management.metrics.families import Scope
from batonmq.management.metrics.page import Page
from batonmq.management.metrics.scrape import GROUPS, List, aggregated, detailed, memory_breakdown, per_object, pieces
from batonmq.management.metrics.sums import Sums

__all__ = ["metrics_routes"]

# No genuine request names more families.
MOST_GROUPS = 100


class _Endpoints:
    def __init__(self, departed: Departed, sums: Sums, *, is_per_object: bool) -> None:
        self._departed = departed
        self._sums = sums
        self._usual: List = per_object if is_per_object else aggregated

    def _answer(self, call: Call, made: List, prefix: str = "", vhosts: frozenset[str] | None = None) -> Response:
        page = Page(call.request.headers.get("accept", ""), prefix)
        scope = Scope(call.context, self._departed, self._sums, vhosts)
        return Stream(pieces(made, scope, page), page.content_type)

    async def usual(self, call: Call) -> Response:
        return self._answer(call, self._usual)

    async def per_object(self, call: Call) -> Response:
        return self._answer(call, per_object)

    async def detailed(self, call: Call) -> Response:
        groups = frozenset(call.query.texts("family"))
        if len(groups) > MOST_GROUPS:
            raise BadRequest(f"there are no more than {len(GROUPS)} families")
        vhosts = frozenset(call.query.texts("vhost"))
        return self._answer(call, detailed(groups), "detailed_", vhosts or None)

    async def memory_breakdown(self, call: Call) -> Response:
        return self._answer(call, memory_breakdown)


def metrics_routes(departed: Departed, sums: Sums, may: Tag, *, is_per_object: bool) -> tuple[Route, ...]:
    """The routes, for who may scrape. ``is_per_object``: does /metrics list each object separately?"""
    endpoints = _Endpoints(departed, sums, is_per_object=is_per_object)
    return (
        Route("GET", "/metrics", endpoints.usual, "Metrics for Prometheus, added up over all objects.", may, "metrics"),
        Route("GET", "/metrics/per-object", endpoints.per_object, "Metrics of each object.", may, "metrics"),
        Route(
            "GET",
            "/metrics/detailed",
            endpoints.detailed,
            "Chosen metrics of each object.",
            may,
            "metrics",
            query={
                "family": f"A family; may come several times: {', '.join(sorted(GROUPS))}.",
                "vhost": "Only of this virtual host; may come several times.",
            },
        ),
        Route(
            "GET",
            "/metrics/memory-breakdown",
            endpoints.memory_breakdown,
            "The use of memory.",
            may,
            "metrics",
        ),
    )
