"""The state of shovels, in RabbitMQ's form; they are created as parameters of the component "shovel"."""

from __future__ import annotations

from batonmq.management.api.parameters import describe
from batonmq.management.api.policies import changeable_vhost
from batonmq.management.http.call import Call
from batonmq.management.http.errors import not_found
from batonmq.management.http.responses import Json, NoContent, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route, beside_the_store
from batonmq.shovels.rabbitmq.parameters import COMPONENT, without_secrets
from batonmq.shovels.running import RunningShovel
from batonmq.shovels.settings import End

UNLIMITED = "unlimited"


def _described(call: Call, shovel: RunningShovel) -> dict[str, object]:
    status, settings, counts = shovel.status, shovel.settings, shovel.progress.counts
    told: dict[str, object] = {
        "node": call.context.node,
        "timestamp": status.since.strftime("%Y-%m-%d %H:%M:%S"),
        "name": shovel.name,
        "vhost": shovel.vhost,
        "type": shovel.kind,
        "state": status.state,
    }
    if status.state == "terminated":
        return told | {"reason": status.reason, "restarts": shovel.restarts, "moved": shovel.moved}
    told |= {"restarts": shovel.restarts, "moved": shovel.moved}
    if status.state == "starting":
        return told
    remaining = UNLIMITED if counts.remaining is None else counts.remaining
    return (
        told
        | {
            "pending": counts.pending,
            "remaining": remaining,
            "remaining_unacked": remaining,
            "forwarded": counts.forwarded,
            "blocked_status": "flow" if counts.blocked else "running",
            "src_uri": status.source_uri,
            "src_protocol": settings.source.protocol,
            "dest_protocol": settings.destination.protocol,
            "dest_uri": status.destination_uri,
        }
        | _of_end("src", settings.source)
        | _of_end("dest", settings.destination)
    )


def _of_end(side: str, end: End) -> dict[str, object]:
    if end.protocol == "amqp10":
        return {f"{side}_address": end.queue}
    if end.queue is not None:
        return {f"{side}_queue": end.queue}
    if end.exchange is not None:
        return {f"{side}_exchange": end.exchange, f"{side}_exchange_key": end.routing_key or ""}
    return {}


async def get_all(call: Call) -> Response:
    """The shovels in the virtual hosts that the user sees, with their state."""
    seen = {vhost.name for vhost in call.vhosts()}
    return Json([_described(call, shovel) for shovel in call.context.shovels.all() if shovel.vhost in seen])


async def get_of_vhost(call: Call) -> Response:
    """The shovels of a virtual host, with their state."""
    vhost = call.vhost().name
    return Json([_described(call, shovel) for shovel in call.context.shovels.all() if shovel.vhost == vhost])


async def get_shovel(call: Call) -> Response:
    """The definition of a shovel, without the passwords in its URLs."""
    found = call.context.parts.broker.parameters.find(COMPONENT, call.vhost().name, call.path["name"])
    if found is None:
        raise not_found()
    told = describe(found)
    return Json({**told, "value": without_secrets(told["value"])})


async def delete_shovel(call: Call) -> Response:
    """Stop a shovel, and remove its parameter."""
    vhost, name = changeable_vhost(call).name, call.path["name"]
    parameters = call.context.parts.broker.parameters
    if parameters.find(COMPONENT, vhost, name) is None:
        raise not_found()
    parameters.clear(COMPONENT, vhost, name)
    await call.kept()
    return NoContent()


async def restart_shovel(call: Call) -> Response:
    """Stop a shovel, and start it again."""
    vhost, name = changeable_vhost(call).name, call.path["name"]
    if call.context.shovels.find(vhost, name) is None:
        raise not_found()
    call.context.shovels.restart(vhost, name)
    return NoContent()


ALL = "/api/shovels"
NAMED = ALL + "/vhost/{vhost}/{name}"

ROUTES = (
    Route("GET", ALL, get_all, "The state of all shovels.", Tag.MONITORING),
    Route("GET", ALL + "/{vhost}", get_of_vhost, "The state of the shovels of a virtual host.", Tag.MONITORING),
    Route("GET", NAMED, get_shovel, "The definition of a shovel.", Tag.MONITORING),
    Route("DELETE", NAMED, delete_shovel, "Stop a shovel and remove it.", Tag.POLICYMAKER),
    *beside_the_store(
        Route("DELETE", NAMED + "/restart", restart_shovel, "Stop a shovel and start it again.", Tag.POLICYMAKER)
    ),
)
