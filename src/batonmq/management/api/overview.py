"""The overview of the whole broker, as far as the user may see it."""

from __future__ import annotations

from operator import add
from typing import Final

from batonmq.management.api.clients import sees
from batonmq.management.api.figures import Row, lengths, total_stats
from batonmq.management.api.ranges import RANGES_QUERY, ranges
from batonmq.management.api.server_facts import contexts, exchange_types, listeners, versions
from batonmq.management.http.call import Call
from batonmq.management.http.listing import chosen_columns, only_columns
from batonmq.management.http.responses import Json, Response
from batonmq.management.http.routes import Route
from batonmq.management.slices import sliced
from batonmq.management.statistics.kinds import CHURN, VHOST
from batonmq.management.statistics.shown import Figures
from batonmq.management.statistics.totals import ObjectTotals, Totals

__all__ = ["ROUTES"]

CLUSTER_NAME: Final = "cluster_name"


async def get_overview(call: Call) -> Response:
    """The overview; for a user who is no monitor, only of that user's virtual hosts."""
    wanted = ranges(call.query)
    statistics, broker = call.context.statistics, call.context.parts.broker
    totals = await statistics.totals()
    row: Row = {
        **versions(),
        "node": call.context.node,
        "cluster_name": broker.parameters.all_global().get(CLUSTER_NAME, call.context.node),
        "cluster_tags": {},
        "node_tags": {},
        "rates_mode": "basic",
        "sample_retention_policies": {"global": [600, 3600, 86400], "basic": [60, 3600, 86400], "detailed": [60, 3600]},
        "statistics_db_event_queue": 0,
        "exchange_types": exchange_types(),
        "default_queue_type": "classic",
        "disable_stats": False,
        "enable_queue_totals": False,
        "is_op_policy_updating_enabled": True,
        "require_definition_json_extension": False,
        "release_series_support_status": "supported",
    }
    if call.sees_everything:
        figures = await statistics.broker()
        sums = ObjectTotals()
        for each in totals.objects.values():
            sums.add(each)
        objects = sums.listed()
        row |= {
            "listeners": listeners(call.context),
            "contexts": contexts(call.context),
            "churn_rates": figures.show(CHURN, wanted.messages),
        }
    else:
        figures, objects = await _of_user(call, totals)
    row |= {
        "message_stats": total_stats(figures, wanted),
        "queue_totals": lengths(figures, wanted),
        "object_totals": objects,
    }
    return Json(only_columns(row, chosen_columns(call.query)))


async def _of_user(call: Call, totals: Totals) -> tuple[Figures, dict[str, int]]:
    """The sums over the virtual hosts that the user may open, and the user's own connections."""
    statistics = call.context.statistics
    names = [vhost.name for vhost in call.vhosts()]
    values = [0] * len(VHOST.columns)
    objects = ObjectTotals()
    for name in names:
        if name in totals.vhosts:
            values = list(map(add, values, totals.vhosts[name]))
            objects.add(totals.objects[name])
    mine = {"connections": 0, "channels": 0}
    async for client in sliced(list(call.context.parts.broker.clients)):
        if sees(call.user, client):
            mine["connections"] += 1
            mine["channels"] += client.channel_count
    return statistics.of_vhosts(names, values), objects.listed() | mine


ROUTES = (Route("GET", "/api/overview", get_overview, "The overview of the broker.", query=RANGES_QUERY),)
