"""The answers of a single-node broker to requests about clusters, features and log-ins."""

from __future__ import annotations

import asyncio

from batonmq import __version__
from batonmq.management.http.call import Call
from batonmq.management.http.errors import BadRequest, not_found
from batonmq.management.http.responses import Json, NoContent, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route, beside_the_store
from batonmq.server.passwords import hash_password, named_hash

GROUP = "node"

# RabbitMQ's feature flags since 3.8, as far as clients check them before use. Features that are missing here, such as
# streams, are not listed.
FEATURE_FLAGS = {
    "classic_queue_type_delivery_support": "Deliveries of classic queues of several versions",
    "detailed_queues_endpoint": "Lists of queues without and with their details",
    "direct_exchange_routing_v2": "Direct exchanges look keys up",
    "drop_unroutable_metric": "Messages that nobody gets are counted",
    "empty_basic_get_metric": "basic.get of an empty queue is counted",
    "feature_flags_v2": "Feature flags",
    "implicit_default_bindings": "The bindings of the default exchange are not stored",
    "maintenance_mode_status": "A node tells whether it is in maintenance",
    "message_containers": "Messages of several protocols keep what they are",
    "message_containers_deaths_v2": "Dead letters of several protocols keep their history",
    "quorum_queue": "Queues of the type quorum",
    "user_limits": "Limits of users",
    "virtual_host_metadata": "Virtual hosts have a description and tags",
}


async def get_whoami(call: Call) -> Response:
    """The user who asks, with tags."""
    return Json({"name": call.user.name, "tags": sorted(call.user.tags), "is_internal_user": True})


async def get_auth(_: Call) -> Response:
    """How to log in: with a name and a password."""
    return Json({"enable_uaa": False, "oauth_enabled": False, "uaa_client_id": "", "uaa_location": ""})


async def get_hash(call: Call) -> Response:
    """The hash of a password, as PUT /api/users/{name} accepts it."""
    try:
        # It takes tens of milliseconds, on purpose.
        stored = await asyncio.to_thread(hash_password, call.path["password"])
    except (ValueError, UnicodeEncodeError) as error:
        raise BadRequest(str(error)) from None
    return Json({"ok": named_hash(stored)[0]})


async def get_version(_: Call) -> Response:
    """The version of the broker."""
    return Json(__version__)


async def get_extensions(_: Call) -> Response:
    """RabbitMQ's plugins that extend its page: none."""
    return Json([])


# ---------------------------------------------------------------------- features


async def get_feature_flags(_: Call) -> Response:
    """RabbitMQ's feature flags: listed features can be used."""
    return Json(
        [
            {
                "name": name,
                "desc": what,
                "doc_url": "",
                "state": "enabled",
                "stability": "required",
                "require_level": "hard",
                "experiment_level": "supported",
                "callbacks": [],
                "provided_by": "batonmq",
            }
            for name, what in FEATURE_FLAGS.items()
        ]
    )


async def put_feature_flag(call: Call) -> Response:
    """Enable a feature: it is enabled already, or does not exist."""
    name = call.path["name"]
    if name not in FEATURE_FLAGS:
        raise BadRequest(f"unsupported: there is no feature flag '{name[:64]}'")
    return NoContent()


async def get_deprecated_features(_: Call) -> Response:
    """Deprecated features: none."""
    return Json([])


# ---------------------------------------------------------------------- what only clusters need


async def done(_: Call) -> Response:
    """An operation that one node need not do."""
    return NoContent()


async def reset_node(call: Call) -> Response:
    """Like ``done``, for one node, which must be this one."""
    if call.path["node"] != call.context.node:
        raise not_found()
    return NoContent()


ROUTES = beside_the_store(
    Route("GET", "/api/whoami", get_whoami, "The user who asks.", group=GROUP),
    Route("GET", "/api/auth", get_auth, "How to log in.", Tag.NOBODY, GROUP),
    Route("GET", "/api/auth/hash_password/{password}", get_hash, "The hash of a password.", Tag.ADMINISTRATOR, GROUP),
    Route("GET", "/api/version", get_version, "The version of the broker.", group=GROUP),
    Route("GET", "/api/extensions", get_extensions, "Plugins of the page: none.", group=GROUP),
    Route("GET", "/api/feature-flags", get_feature_flags, "RabbitMQ's feature flags.", group=GROUP),
    Route("PUT", "/api/feature-flags/{name}/enable", put_feature_flag, "Enable a feature.", Tag.ADMINISTRATOR, GROUP),
    Route("GET", "/api/deprecated-features", get_deprecated_features, "Deprecated features: none.", group=GROUP),
    Route(
        "GET",
        "/api/deprecated-features/used",
        get_deprecated_features,
        "Deprecated features in use: none.",
        group=GROUP,
    ),
    Route("POST", "/api/rebalance/queues", done, "There is one node: nothing to do.", Tag.ADMINISTRATOR, GROUP),
    Route("DELETE", "/api/reset", done, "Accepted: statistics are kept.", Tag.ADMINISTRATOR, GROUP),
    Route("DELETE", "/api/reset/{node}", reset_node, "Accepted: statistics are kept.", Tag.ADMINISTRATOR, GROUP),
)
