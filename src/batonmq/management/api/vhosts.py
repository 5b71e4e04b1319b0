"""Lists and describes virtual hosts, with their activity."""

from __future__ import annotations

from typing import Final

from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.management.api.figures import Row, lengths, total_stats
from batonmq.management.api.ranges import RANGES_QUERY, Ranges, ranges
from batonmq.management.definitions.exporting import vhost_metadata
from batonmq.management.definitions.reading import PROTECTED
from batonmq.management.http.call import Call
from batonmq.management.http.listing import LIST_QUERY, chosen_columns, listing, only_columns
from batonmq.management.http.responses import Json, Response
from batonmq.management.http.routes import Route
from batonmq.management.statistics.kinds import VHOST
from batonmq.management.statistics.totals import Totals

__all__ = ["ROUTES"]

QUERY: Final = {
    **LIST_QUERY,
    **RANGES_QUERY,
    "disable_stats": "true: without counters.",
}


async def list_vhosts(call: Call) -> Response:
    """The virtual hosts that the user sees."""
    wanted = None if call.query.flag("disable_stats") else ranges(call.query)
    totals = await call.context.statistics.totals()
    return await listing(
        call,
        call.vhosts(),
        lambda vhost: _described(call, vhost, totals, wanted),
        name=lambda vhost: vhost.name,
        order=lambda vhost: (vhost.name,),
    )


async def get_vhost(call: Call) -> Response:
    """One virtual host."""
    vhost = call.vhost("name")
    totals = await call.context.statistics.totals()
    row = _described(call, vhost, totals, ranges(call.query))
    return Json(only_columns(row, chosen_columns(call.query)))


def _described(call: Call, vhost: VirtualHost, totals: Totals, wanted: Ranges | None) -> Row:
    """``wanted``: None without counters."""
    said = vhost.metadata
    row: Row = {
        "name": vhost.name,
        "description": said.description,
        "tags": said.tags,
        "default_queue_type": said.default_queue_type,
        "tracing": said.tracing,
        PROTECTED: said.protected,
        "metadata": vhost_metadata(vhost),
        "cluster_state": {call.context.node: "running"},
    }
    if wanted is not None:
        values = totals.vhosts.get(vhost.name, (0,) * len(VHOST.columns))
        figures = call.context.statistics.of_vhost(vhost.name, values)
        row |= lengths(figures, wanted)
        row |= figures.show(("recv_oct", "send_oct"), wanted.data)
        row["message_stats"] = total_stats(figures, wanted)
    return row


ROUTES = (
    Route("GET", "/api/vhosts", list_vhosts, "All virtual hosts that the user may see.", query=QUERY),
    Route("GET", "/api/vhosts/{name}", get_vhost, "A virtual host.", query=RANGES_QUERY),
)
