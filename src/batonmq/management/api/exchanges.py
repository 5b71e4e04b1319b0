"""Lists and describes exchanges."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from batonmq.broker.routing.exchanges import Exchange
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.management.api.exchange_changes import exchange_name
from batonmq.management.api.figures import Row, exchange_stats
from batonmq.management.api.ranges import RANGES_QUERY, Ranges, ranges
from batonmq.management.http.call import Call
from batonmq.management.http.errors import not_found
from batonmq.management.http.listing import LIST_QUERY, chosen_columns, listing, only_columns
from batonmq.management.http.responses import Json, Response
from batonmq.management.http.routes import Route

__all__ = ["ROUTES", "find_exchange"]

QUERY: Final = {
    **LIST_QUERY,
    **RANGES_QUERY,
    "disable_stats": "true: only what exchanges were declared as, which is made in less time.",
}


async def _list(call: Call, vhosts: Iterable[VirtualHost]) -> Response:
    found = [(vhost, exchange) for vhost in vhosts for exchange in vhost.router.exchanges.values()]
    return await listing(
        call,
        found,
        _describer(call),
        name=lambda each: each[1].name,
        order=lambda each: (each[0].name, each[1].name),
    )


async def list_exchanges(call: Call) -> Response:
    """The exchanges of all virtual hosts that the user sees."""
    return await _list(call, call.vhosts())


async def list_of_vhost(call: Call) -> Response:
    """The exchanges of one virtual host."""
    return await _list(call, [call.vhost()])


async def get_exchange(call: Call) -> Response:
    """One exchange."""
    vhost = call.vhost()
    row = _described(call, vhost, find_exchange(call, vhost), ranges(call.query))
    row |= {"incoming": [], "outgoing": []}
    return Json(only_columns(row, chosen_columns(call.query)))


def find_exchange(call: Call, vhost: VirtualHost, parameter: str = "name") -> Exchange:
    """The exchange that the path names; ``amq.default`` or nothing is the default one. Raises HttpError for none."""
    exchange = vhost.router.exchange(exchange_name(call.path[parameter]))
    if exchange is None:
        raise not_found()
    return exchange


def _describer(call: Call) -> Callable[[tuple[VirtualHost, Exchange]], Row]:
    wanted = None if call.query.flag("disable_stats") else ranges(call.query)
    return lambda each: _described(call, *each, wanted)


def _described(call: Call, vhost: VirtualHost, exchange: Exchange, wanted: Ranges | None) -> Row:
    """``wanted``: None without counters."""
    row: Row = {
        "name": exchange.name,
        "vhost": vhost.name,
        "type": exchange.kind,
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": exchange.arguments,
    }
    policy = vhost.policies.of_exchange(exchange)
    if policy is not None:
        row["policy"] = policy.name
    if wanted is not None:
        row |= exchange_stats(call.context.statistics.exchange(exchange), wanted)
    return row


ROUTES = (
    Route("GET", "/api/exchanges", list_exchanges, "All exchanges that the user may see.", query=QUERY),
    Route("GET", "/api/exchanges/{vhost}", list_of_vhost, "The exchanges of a virtual host.", query=QUERY),
    Route("GET", "/api/exchanges/{vhost}/{name?}", get_exchange, "An exchange.", query=RANGES_QUERY),
)
