"""Bindings: all, those of a virtual host, from an exchange, to a queue or an exchange, between two, and one alone.

Every queue is bound to the default exchange by its own name; these implicit bindings are listed, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from batonmq.broker.queues.queue import Queue
from batonmq.broker.routing.exchanges import Binding, Exchange
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.management.api.binding_keys import find_by_key, properties_key
from batonmq.management.api.exchange_changes import exchange_name
from batonmq.management.api.exchanges import find_exchange
from batonmq.management.api.figures import Row
from batonmq.management.api.queues import find_queue
from batonmq.management.http.call import Call
from batonmq.management.http.errors import not_found
from batonmq.management.http.listing import LIST_QUERY, listing
from batonmq.management.http.responses import Json, Response
from batonmq.management.http.routes import Route
from batonmq.management.slices import sliced

__all__ = ["ROUTES", "describe_binding"]

# A queue stands for its default binding, which is created when it is shown.
_Entry = Queue | tuple[VirtualHost, Binding]


def describe_binding(vhost: str, binding: Binding) -> Row:
    """A binding of a virtual host of that name."""
    return {
        "source": binding.source.name,
        "vhost": vhost,
        "destination": binding.destination.name,
        "destination_type": "exchange" if isinstance(binding.destination, Exchange) else "queue",
        "routing_key": binding.routing_key,
        "arguments": binding.arguments,
        "properties_key": properties_key(binding.routing_key, binding.arguments),
    }


def _by_its_name(vhost: VirtualHost, queue: Queue) -> Binding:
    return Binding(vhost.router.default, queue, queue.name, {})


async def _listed(call: Call, found: list[_Entry]) -> Response:
    vhosts = {vhost.name: vhost for vhost in call.vhosts()}

    def describe(each: _Entry) -> Row:
        if isinstance(each, Queue):
            return describe_binding(each.vhost_name, _by_its_name(vhosts[each.vhost_name], each))
        return describe_binding(each[0].name, each[1])

    return await listing(
        call,
        found,
        describe,
        name=lambda each: "" if isinstance(each, Queue) else each[1].source.name,
        # In the order of their creation.
        order=lambda _: (),
    )


async def _of_vhosts(vhosts: Iterable[VirtualHost]) -> list[_Entry]:
    found: list[_Entry] = []
    for vhost in vhosts:
        found += vhost.queues.values()
        for exchange in list(vhost.router.exchanges.values()):
            found += [(vhost, binding) async for binding in sliced(list(exchange.bindings))]
    return found


async def list_bindings(call: Call) -> Response:
    """The bindings of all virtual hosts that the user sees."""
    return await _listed(call, await _of_vhosts(call.vhosts()))


async def list_of_vhost(call: Call) -> Response:
    """The bindings of one virtual host."""
    return await _listed(call, await _of_vhosts([call.vhost()]))


async def list_to_queue(call: Call) -> Response:
    """The bindings to one queue."""
    vhost = call.vhost()
    queue = find_queue(call, vhost)
    return await _listed(call, [queue, *((vhost, one) for one in vhost.router.bindings_to(queue))])


async def list_from_exchange(call: Call) -> Response:
    """The bindings from one exchange."""
    vhost = call.vhost()
    exchange = find_exchange(call, vhost)
    if exchange is vhost.router.default:
        return await _listed(call, list(vhost.queues.values()))
    return await _listed(call, [(vhost, one) for one in exchange.bindings])


async def list_to_exchange(call: Call) -> Response:
    """The bindings to one exchange."""
    vhost = call.vhost()
    return await _listed(call, [(vhost, one) for one in vhost.router.bindings_to(find_exchange(call, vhost))])


def _between(call: Call, vhost: VirtualHost, *, to_queue: bool) -> list[Binding]:
    """The bindings between the two that the path names; none if either is missing."""
    router, name = vhost.router, call.path["destination"]
    source = router.exchange(exchange_name(call.path["source"]))
    destination = vhost.queues.get(name) if to_queue else router.exchange(exchange_name(name))
    if source is None or destination is None:
        return []
    if source is router.default:
        return [_by_its_name(vhost, destination)] if isinstance(destination, Queue) else []
    return router.bindings_between(source, destination)


async def list_between_exchange_and_queue(call: Call) -> Response:
    """The bindings from one exchange to one queue."""
    vhost = call.vhost()
    return await _listed(call, [(vhost, one) for one in _between(call, vhost, to_queue=True)])


async def list_between_exchanges(call: Call) -> Response:
    """The bindings from one exchange to another."""
    vhost = call.vhost()
    return await _listed(call, [(vhost, one) for one in _between(call, vhost, to_queue=False)])


def _one(call: Call, *, to_queue: bool) -> Response:
    vhost = call.vhost()
    found = find_by_key(_between(call, vhost, to_queue=to_queue), call.path["key"])
    if found is None:
        raise not_found()
    return Json(describe_binding(vhost.name, found))


async def get_to_queue(call: Call) -> Response:
    """One binding to a queue."""
    return _one(call, to_queue=True)


async def get_to_exchange(call: Call) -> Response:
    """One binding to an exchange."""
    return _one(call, to_queue=False)


QUEUE: Final = "/api/bindings/{vhost}/e/{source?}/q/{destination}"
EXCHANGE: Final = "/api/bindings/{vhost}/e/{source?}/e/{destination?}"

LISTS: Final = (
    ("/api/bindings", list_bindings, "All bindings that the user may see."),
    ("/api/bindings/{vhost}", list_of_vhost, "The bindings of a virtual host."),
    ("/api/queues/{vhost}/{name}/bindings", list_to_queue, "The bindings to a queue."),
    ("/api/exchanges/{vhost}/{name?}/bindings/source", list_from_exchange, "The bindings from an exchange."),
    ("/api/exchanges/{vhost}/{name?}/bindings/destination", list_to_exchange, "The bindings to an exchange."),
    (QUEUE, list_between_exchange_and_queue, "The bindings from an exchange to a queue."),
    (EXCHANGE, list_between_exchanges, "The bindings from an exchange to another."),
)

ROUTES = (
    *(Route("GET", path, handler, summary, query=LIST_QUERY) for path, handler, summary in LISTS),
    Route("GET", f"{QUEUE}/{{key}}", get_to_queue, "A binding to a queue, by its properties_key."),
    Route("GET", f"{EXCHANGE}/{{key}}", get_to_exchange, "A binding to an exchange, by its properties_key."),
)
