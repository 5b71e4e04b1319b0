"""Creating and removing bindings from an exchange to a queue or another exchange."""

from __future__ import annotations

from urllib.parse import quote

from batonmq.broker import ManagedOperations
from batonmq.broker.routing.exchanges import Binding
from batonmq.management.api.binding_keys import find_by_key, properties_key
from batonmq.management.api.exchange_changes import exchange_name
from batonmq.management.http.bodies import Body
from batonmq.management.http.call import Call
from batonmq.management.http.errors import not_found
from batonmq.management.http.responses import Created, NoContent, Response
from batonmq.management.http.routes import Route

BINDING = {
    "type": "object",
    "properties": {
        "routing_key": {"type": "string", "default": ""},
        "arguments": {"type": "object", "description": "Arguments of queue.bind, such as x-match."},
    },
}


async def post_to_queue(call: Call) -> Response:
    """Bind a queue to an exchange."""
    return await _bind(call, to_queue=True)


async def post_to_exchange(call: Call) -> Response:
    """Bind an exchange to another."""
    return await _bind(call, to_queue=False)


async def _bind(call: Call, *, to_queue: bool) -> Response:
    vhost = call.vhost()
    operations = call.operations(vhost)
    source, destination = exchange_name(call.path["source"]), exchange_name(call.path["destination"])
    body = Body(call.json(is_required=False))
    routing_key, arguments = body.short_text("routing_key"), body.arguments()
    if to_queue:
        operations.bind_queue(call.path["destination"], source, routing_key, arguments)
    else:
        operations.bind_exchange(destination, source, routing_key, arguments)
    await call.kept()
    # A path relative to the request's, encoded twice as in RabbitMQ: once for the name and once for the path.
    name = quote(call.path["destination"], safe="", errors="surrogateescape")
    return Created(f"{name}/{quote(properties_key(routing_key, arguments), safe='')}")


async def delete_to_queue(call: Call) -> Response:
    """Remove a binding to a queue."""
    return await _unbind(call, to_queue=True)


async def delete_to_exchange(call: Call) -> Response:
    """Remove a binding to an exchange."""
    return await _unbind(call, to_queue=False)


async def _unbind(call: Call, *, to_queue: bool) -> Response:
    vhost = call.vhost()
    operations = call.operations(vhost)
    binding = named_binding(call, operations, to_queue=to_queue)
    unbind = operations.unbind_queue if to_queue else operations.unbind_exchange
    unbind(binding.destination.name, binding.source.name, binding.routing_key, binding.arguments)
    await call.kept()
    return NoContent()


def named_binding(call: Call, operations: ManagedOperations, *, to_queue: bool) -> Binding:
    """The binding that the path names. Raises HttpError if there is none, and BrokerError."""
    source, destination = exchange_name(call.path["source"]), call.path["destination"]
    if not to_queue:
        destination = exchange_name(destination)
    binding = find_by_key(operations.bindings_between(source, destination, to_queue=to_queue), call.path["key"])
    if binding is None:
        raise not_found()
    return binding


TO_QUEUE = "/api/bindings/{vhost}/e/{source?}/q/{destination}"
TO_EXCHANGE = "/api/bindings/{vhost}/e/{source?}/e/{destination?}"

ROUTES = (
    Route("POST", TO_QUEUE, post_to_queue, summary="Bind a queue to an exchange.", body=BINDING),
    Route("POST", TO_EXCHANGE, post_to_exchange, summary="Bind an exchange to another.", body=BINDING),
    Route("DELETE", TO_QUEUE + "/{key}", delete_to_queue, summary="Remove a binding to a queue."),
    Route("DELETE", TO_EXCHANGE + "/{key}", delete_to_exchange, summary="Remove a binding to an exchange."),
)
