"""Health checks for monitoring: 200 when all is well, 503 with a reason when not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batonmq.broker.operations.publishing import publish
from batonmq.errors import ResourceError
from batonmq.management.http.call import Call
from batonmq.management.http.errors import BadRequest
from batonmq.management.http.responses import Json, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route
from batonmq.message import Message
from batonmq.properties import EMPTY
from batonmq.server.certificate_dates import expires_at

OK = {"status": "ok"}
SINGLE_NODE = {"status": "ok", "reason": "single node cluster"}

# RabbitMQ's names of protocols, by the schemes of addresses.
PROTOCOLS = {
    "amqp": "amqp",
    "amqps": "amqp/ssl",
    "stomp": "stomp",
    "stomp+ssl": "stomp/ssl",
    "ws": "http/web-stomp",
    "wss": "https/web-stomp",
    "http": "http",
    "https": "https",
}
# Other names by which clients ask for them.
ALIASES = {
    "amqp091": "amqp",
    "amqp0.9.1": "amqp",
    "amqp-0-9-1": "amqp",
    "amqp10": "amqp",
    "amqp1.0": "amqp",
    "amqp-1-0": "amqp",
    "amqps": "amqp/ssl",
    "amqp/tls": "amqp/ssl",
    "stomps": "stomp/ssl",
    "stomp/tls": "stomp/ssl",
    "web-stomp": "http/web-stomp",
    "https/tls": "https",
}

DAYS = {"days": 1, "weeks": 7, "months": 30, "years": 365}
# The longest time to look ahead: a longer one would exceed the range of dates.
AHEAD_MAX = 1_000 * 365

ALIVENESS_QUEUE = "aliveness-test"


def failed(reason: str, **more: object) -> Response:
    """A check has failed (503)."""
    return Json({"status": "failed", "reason": reason, **more}, 503)


async def fine(_: Call) -> Response:
    """A check that every single-node broker passes if it answers."""
    return Json(OK)


async def single_node(_: Call) -> Response:
    """A check that cannot fail with one node."""
    return Json(SINGLE_NODE)


# ---------------------------------------------------------------------- alarms


async def get_alarms(call: Call) -> Response:
    """Returns whether the broker takes messages."""
    alarms = _alarms(call)
    return failed("There are alarms in effect in the cluster", alarms=alarms) if alarms else Json(OK)


async def get_local_alarms(call: Call) -> Response:
    """Returns whether this node takes messages."""
    alarms = _alarms(call)
    return failed("There are alarms in effect on the node", alarms=alarms) if alarms else Json(OK)


def _alarms(call: Call) -> list[dict[str, object]]:
    error = call.context.parts.broker.store.error
    return [] if error is None else [{"node": call.context.node, "resource": "disk", "reason": error.reason}]


async def get_node_health(call: Call) -> Response:
    """RabbitMQ 3's check of a node."""
    alarms = _alarms(call)
    return Json({"status": "failed", "reason": "resource alarm(s) in effect:[disk]"}) if alarms else Json(OK)


# ---------------------------------------------------------------------- listeners


async def get_port_listener(call: Call) -> Response:
    """Does anything listen on a port?"""
    text = call.path["port"]
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise BadRequest("Invalid port")
    port = int(text)
    ports = sorted({address.port for address in call.context.parts.addresses()})
    if port in ports:
        return Json({"status": "ok", "port": port})
    return failed("No active listener", missing=port, ports=ports)


async def get_protocol_listener(call: Call) -> Response:
    """Are these protocols, with commas between them, spoken anywhere?"""
    spoken = sorted({PROTOCOLS.get(one.scheme, one.scheme) for one in call.context.parts.addresses()})
    wanted = [ALIASES.get(name, name) for name in call.path["protocols"].lower().split(",")]
    missing = [name for name in wanted if name not in spoken]
    if missing:
        return failed("No active listener", missing=missing, protocols=spoken)
    # RabbitMQ 3 returns the requested one, 4 all of them.
    return Json({"status": "ok", "protocol": wanted[0], "protocols": spoken})


async def get_ready(call: Call) -> Response:
    """Can clients connect?"""
    return Json(OK) if call.context.parts.addresses() else failed("no listener is open")


# ---------------------------------------------------------------------- certificates


async def get_certificate_expiration(call: Call) -> Response:
    """Is the certificate valid for that long?"""
    within, unit = call.path["within"], call.path["unit"]
    if not within.isascii() or not within.isdigit() or len(within) > 6:
        raise BadRequest("Invalid expiration value.")
    if unit not in DAYS:
        raise BadRequest("Time unit not recognised. Supported units: days, weeks, months, years.")
    tls = call.context.parts.tls
    if tls is None:
        return Json(OK)
    file = Path(tls.config.certificate)
    try:
        end = await asyncio.to_thread(expires_at, file)
    except (OSError, ValueError) as error:
        return failed(f"The certificate cannot be read: {error}")
    now = datetime.fromtimestamp(call.context.parts.clock.time(), UTC)
    days = min(int(within) * DAYS[unit], AHEAD_MAX)
    if end > now + timedelta(days=days):
        return Json(OK)
    expired = [
        {
            "node": call.context.node,
            "protocol": PROTOCOLS.get(one.scheme, one.scheme),
            "interface": one.host,
            "port": one.port,
            "certfile": str(file),
            "certfile_expires_on": [end.strftime("%Y-%m-%d %H:%M:%S")],
        }
        for one in call.context.parts.addresses()
        if one.scheme in ("amqps", "stomp+ssl", "wss", "https")
    ]
    return failed("Certificates expiring", expired=expired)


# ---------------------------------------------------------------------- limits and aliveness


async def get_below_connection_limit(call: Call) -> Response:
    """Returns whether there is room for another connection."""
    limit = call.context.parts.config.limits.connections
    current = len(list(call.context.parts.broker.clients))
    if current < limit:
        return Json({"status": "ok", "current": current, "limit": limit})
    return failed("Connection limit is reached", current=current, limit=limit)


async def get_aliveness(call: Call) -> Response:
    """Declare a queue, publish to it and take the message out, with the rights of the user."""
    vhost = call.vhost()
    operations = call.operations(vhost)
    queue = operations.declare_queue(ALIVENESS_QUEUE)
    operations.require_readable(ALIVENESS_QUEUE)
    published = publish(operations, Message("", ALIVENESS_QUEUE, EMPTY, b"test_message"))
    queued = queue.get()
    if not published.is_routed or queued is None:
        raise ResourceError(f"no message came through queue '{ALIVENESS_QUEUE}'")
    queue.accept(queued)
    await call.kept()
    return Json(OK)


CHECKS = "/api/health/checks"
GROUP = "health"

ROUTES = (
    Route("GET", f"{CHECKS}/alarms", get_alarms, "Tells whether the broker takes messages.", group=GROUP),
    Route("GET", f"{CHECKS}/local-alarms", get_local_alarms, "Tells whether this node takes messages.", group=GROUP),
    Route(
        "GET",
        f"{CHECKS}/certificate-expiration/{{within}}/{{unit}}",
        get_certificate_expiration,
        "Tells whether the certificate is valid for that many days, weeks, months or years.",
        group=GROUP,
    ),
    Route(
        "GET", f"{CHECKS}/port-listener/{{port}}", get_port_listener, "Tells whether it listens on a port.", group=GROUP
    ),
    Route(
        "GET",
        f"{CHECKS}/protocol-listener/{{protocols}}",
        get_protocol_listener,
        "Tells whether these protocols, separated by commas, are served.",
        group=GROUP,
    ),
    Route("GET", f"{CHECKS}/virtual-hosts", fine, "Tells whether all virtual hosts run.", group=GROUP),
    Route("GET", f"{CHECKS}/node-is-mirror-sync-critical", single_node, "There are no mirrors.", group=GROUP),
    Route("GET", f"{CHECKS}/node-is-quorum-critical", single_node, "There is one node.", group=GROUP),
    Route("GET", f"{CHECKS}/is-in-service", get_ready, "Tells whether it is in service.", group=GROUP),
    Route("GET", f"{CHECKS}/ready-to-serve-clients", get_ready, "Tells whether clients can connect.", group=GROUP),
    Route(
        "GET",
        f"{CHECKS}/below-node-connection-limit",
        get_below_connection_limit,
        "Tells whether there is room for another connection.",
        group=GROUP,
    ),
    Route("GET", f"{CHECKS}/metadata-store/initialized", fine, "Tells whether the store is open.", group=GROUP),
    Route(
        "GET",
        f"{CHECKS}/metadata-store/initialized/with-data",
        fine,
        "Tells whether its definitions are read.",
        group=GROUP,
    ),
    Route(
        "GET",
        f"{CHECKS}/quorum-queues-without-elected-leaders/{{which*}}",
        fine,
        "Every queue is led by the one node.",
        group=GROUP,
    ),
    Route("GET", "/api/healthchecks/node", get_node_health, "RabbitMQ 3's check of a node.", group=GROUP),
    Route("GET", "/api/healthchecks/node/{node}", get_node_health, "RabbitMQ 3's check of a node.", group=GROUP),
    Route(
        "GET",
        "/api/aliveness-test/{vhost}",
        get_aliveness,
        "Declare a queue, publish to it, and take the message out.",
        Tag.MANAGEMENT,
        GROUP,
    ),
)
