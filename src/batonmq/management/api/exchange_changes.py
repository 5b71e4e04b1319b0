"""Declares and deletes exchanges."""

from __future__ import annotations

from batonmq.broker.operations.checks import MANAGEMENT
from batonmq.errors import AccessRefused
from batonmq.management.http.bodies import Body
from batonmq.management.http.call import Call
from batonmq.management.http.errors import not_found
from batonmq.management.http.responses import Created, NoContent, Response
from batonmq.management.http.routes import Route

# The name of the default exchange in paths, if it is not left empty.
DEFAULT_EXCHANGE = "amq.default"

EXCHANGE = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "default": "direct"},
        "durable": {"type": "boolean", "default": False},
        "auto_delete": {"type": "boolean", "default": False},
        "internal": {"type": "boolean", "default": False},
        "arguments": {"type": "object", "description": "Arguments of exchange.declare, such as alternate-exchange."},
    },
}


def exchange_name(name: str) -> str:
    """The name of the exchange that a path refers to."""
    return "" if name == DEFAULT_EXCHANGE else name


async def put_exchange(call: Call) -> Response:
    """Declare an exchange; 201 if it is new."""
    vhost = call.vhost()
    operations = call.operations(vhost)
    body = Body(call.json(is_required=False))
    name = exchange_name(call.path["name"])
    is_new = vhost.router.exchange(name) is None
    operations.declare_exchange(
        name,
        body.text("type", "direct"),
        durable=body.flag("durable"),
        auto_delete=body.flag("auto_delete"),
        internal=body.flag("internal"),
        arguments=body.arguments(),
    )
    await call.kept()
    return Created() if is_new else NoContent()


async def delete_exchange(call: Call) -> Response:
    """Delete an exchange with its bindings."""
    vhost = call.vhost()
    operations = call.operations(vhost)
    name = exchange_name(call.path["name"])
    if name == MANAGEMENT:
        raise AccessRefused(f"exchange '{name}' is there for requests about the broker")
    if vhost.router.exchange(name) is None:
        raise not_found()
    operations.delete_exchange(name, if_unused=call.query.flag("if-unused"))
    await call.kept()
    return NoContent()


NAMED = "/api/exchanges/{vhost}/{name?}"

ROUTES = (
    Route("PUT", NAMED, put_exchange, summary="Declare an exchange.", body=EXCHANGE, answers={201: "It is new."}),
    Route(
        "DELETE",
        NAMED,
        delete_exchange,
        summary="Delete an exchange with its bindings.",
        query={"if-unused": "'true': only if nothing is bound to it."},
    ),
)
