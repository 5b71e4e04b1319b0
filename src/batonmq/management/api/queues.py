"""Lists and describes queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from batonmq.broker.queues.queue import Queue
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.management.api.queue_rows import QUEUE_QUERY, describe_in_detail, describer
from batonmq.management.api.ranges import RANGES_QUERY
from batonmq.management.http.call import Call
from batonmq.management.http.errors import not_found
from batonmq.management.http.listing import LIST_QUERY, chosen_columns, listing, only_columns
from batonmq.management.http.responses import Json, Response
from batonmq.management.http.routes import Route

__all__ = ["ROUTES", "find_queue"]

QUERY: Final = {**LIST_QUERY, **QUEUE_QUERY, **RANGES_QUERY}


async def _list(call: Call, vhosts: Sequence[VirtualHost], *, in_detail: bool = False) -> Response:
    found: list[Queue] = []
    for vhost in vhosts:
        found += vhost.queues.values()
    return await listing(
        call,
        found,
        describer(call, vhosts, in_detail=in_detail),
        name=lambda queue: queue.name,
        order=lambda queue: (queue.vhost_name, queue.name),
    )


async def list_queues(call: Call) -> Response:
    """The queues of all virtual hosts that the user sees."""
    return await _list(call, call.vhosts())


async def list_of_vhost(call: Call) -> Response:
    """The queues of one virtual host."""
    return await _list(call, [call.vhost()])


async def list_in_detail(call: Call) -> Response:
    """The queues of all virtual hosts, with the detail that is otherwise shown for a single one."""
    return await _list(call, call.vhosts(), in_detail=True)


async def get_queue(call: Call) -> Response:
    """One queue."""
    vhost = call.vhost()
    row = await describe_in_detail(call, vhost, find_queue(call, vhost))
    return Json(only_columns(row, chosen_columns(call.query)))


def find_queue(call: Call, vhost: VirtualHost, parameter: str = "name") -> Queue:
    """The queue that the path names. Raises HttpError if there is none."""
    queue = vhost.queues.get(call.path[parameter])
    if queue is None:
        raise not_found()
    return queue


ROUTES = (
    Route("GET", "/api/queues", list_queues, "All queues that the user may see.", query=QUERY),
    Route("GET", "/api/queues/detailed", list_in_detail, "All queues, with more detail.", query=QUERY),
    Route("GET", "/api/queues/{vhost}", list_of_vhost, "The queues of a virtual host.", query=QUERY),
    Route("GET", "/api/queues/{vhost}/{name}", get_queue, "A queue, with its consumers.", query=RANGES_QUERY),
)
