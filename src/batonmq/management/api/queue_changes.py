"""Declares, deletes and purges queues."""

from __future__ import annotations

from batonmq.errors import PreconditionFailed
from batonmq.management.http.bodies import Body
from batonmq.management.http.call import Call
from batonmq.management.http.errors import BadRequest, not_found
from batonmq.management.http.responses import Created, NoContent, Response
from batonmq.management.http.routes import Route

# RabbitMQ 3's operations on the mirrors of a queue, which do not exist here.
ACTIONS = ("sync", "cancel_sync")

QUEUE = {
    "type": "object",
    "properties": {
        "durable": {"type": "boolean", "default": False},
        "auto_delete": {"type": "boolean", "default": False},
        "arguments": {"type": "object", "description": "Arguments of queue.declare, such as x-message-ttl."},
        "node": {"type": "string", "description": "There is one node: any other is refused."},
    },
}


async def put_queue(call: Call) -> Response:
    """Declare a queue; 201 if it is new."""
    vhost = call.vhost()
    operations = call.operations(vhost)
    body = Body(call.json(is_required=False))
    name = call.path["name"]
    check_node(call, body)
    is_new = name not in vhost.queues
    operations.declare_queue(
        name,
        durable=body.flag("durable"),
        auto_delete=body.flag("auto_delete"),
        arguments=body.arguments(),
    )
    await call.kept()
    return Created() if is_new else NoContent()


def check_node(call: Call, body: Body) -> None:
    """Raises BadRequest for a node other than this one."""
    node = body.text("node")
    if node and node != call.context.node:
        raise BadRequest(f"Node {node} is not a cluster member")


async def delete_queue(call: Call) -> Response:
    """Delete a queue with its messages."""
    vhost = call.vhost()
    operations = call.operations(vhost)
    name = call.path["name"]
    if name not in vhost.queues:
        raise not_found()
    operations.delete_queue(
        name,
        if_unused=call.query.flag("if-unused"),
        if_empty=call.query.flag("if-empty"),
        must_exist=True,
    )
    await call.kept()
    return NoContent()


async def delete_contents(call: Call) -> Response:
    """Drop the ready messages of a queue."""
    vhost = call.vhost()
    operations = call.operations(vhost)
    name = call.path["name"]
    if name not in vhost.queues:
        raise not_found()
    operations.purge_queue(name)
    await call.kept()
    return NoContent()


async def post_action(call: Call) -> Response:
    """RabbitMQ 3's operations on mirrors of a queue: there are none, so nothing is left to do."""
    vhost = call.vhost()
    operations = call.operations(vhost)
    body = Body(call.json())
    body.need("action")
    action = body.text("action")
    if call.path["name"] not in vhost.queues:
        raise not_found()
    operations.look_up_queue(call.path["name"])
    if action not in ACTIONS:
        raise PreconditionFailed(f"unknown: {action[:64]}")
    return NoContent()


NAMED = "/api/queues/{vhost}/{name}"

ROUTES = (
    Route("PUT", NAMED, put_queue, summary="Declare a queue.", body=QUEUE, answers={201: "It is new."}),
    Route(
        "DELETE",
        NAMED,
        delete_queue,
        summary="Delete a queue with its messages.",
        query={
            "if-empty": "'true': only if no message is in it.",
            "if-unused": "'true': only if it has no consumer.",
        },
    ),
    Route("DELETE", NAMED + "/contents", delete_contents, summary="Drop the ready messages of a queue."),
    Route("POST", NAMED + "/actions", post_action, summary="'sync' or 'cancel_sync': accepted, with nothing to do."),
)
