"""Creates, changes, deletes and limits virtual hosts."""

from __future__ import annotations

import asyncio

from batonmq.broker.model.limits import OF_VHOSTS, read_limit
from batonmq.broker.vhosts.metadata import Metadata
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.errors import StoreError
from batonmq.management.definitions.reading import PROTECTED
from batonmq.management.http.bodies import Body, as_number, as_tags
from batonmq.management.http.call import Call
from batonmq.management.http.errors import BadRequest, HttpError
from batonmq.management.http.responses import Created, Json, NoContent, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route

VHOST = {
    "type": "object",
    "properties": {
        "description": {"type": "string"},
        "tags": {"type": ["string", "array"], "description": "A list, or one text separated by commas."},
        "default_queue_type": {"enum": ["classic", "quorum"]},
        "tracing": {"type": "boolean"},
        PROTECTED: {"type": "boolean"},
    },
}
VALUE = {"type": "object", "required": ["value"], "properties": {"value": {"type": "integer"}}}


async def put_vhost(call: Call) -> Response:
    """Create a virtual host, giving its creator all rights, or change an existing one.

    Omitted fields stay as they are.
    """
    broker = call.context.parts.broker
    name = call.path["name"]
    body = Body(call.json(is_required=False))
    described = with_what_is_said(Metadata(), body)
    if name not in broker.vhosts:
        broker.check_new_vhost(name)
        # Rights come first: after a crash in between, repeating the request completes it. Otherwise a virtual host that
        # nobody can open would stay so, as it would not be new then.
        await _grant_everything(call, name)
    vhost = broker.vhosts.get(name)
    if vhost is None:
        return await _create(call, name, described)
    changed = with_what_is_said(vhost.metadata, body)
    if changed != vhost.metadata:
        vhost.describe(changed)
    await call.kept()
    return NoContent()


async def _create(call: Call, name: str, metadata: Metadata) -> Response:
    broker = call.context.parts.broker
    vhost = broker.create_vhost(name, metadata)
    try:
        await call.kept()
    except StoreError:
        # It must not appear later, when nobody expects it any more. Its rights are removed with it.
        vhost.describe(metadata.changed(protected=False))
        if broker.vhosts.get(name) is vhost:
            broker.delete_vhost(name)
        raise
    return Created()


async def _grant_everything(call: Call, vhost: str) -> None:
    """Give the requester all rights in a virtual host. Those of users in the configuration file are set there."""
    users, name = call.context.parts.users, call.user.name
    known = users.find(name)
    if known is not None and not known.is_configured:
        await users.change(lambda edit: edit.set_permission(name, vhost, ".*", ".*", ".*"))


def with_what_is_said(metadata: Metadata, body: Body) -> Metadata:
    """A virtual host's metadata, changed as a body says. Raises BadRequest, PreconditionFailed."""
    kind = body.text("default_queue_type") if body.has("default_queue_type") else None
    return metadata.changed(
        description=body.text("description") if body.has("description") else None,
        tags=as_tags(body.value("tags")) if body.has("tags") else None,
        # RabbitMQ 3's form for a virtual host without one.
        default_queue_type=None if kind == "undefined" else kind,
        tracing=body.flag("tracing") if body.has("tracing") else None,
        protected=body.flag(PROTECTED) if body.has(PROTECTED) else None,
    )


async def delete_vhost(call: Call) -> Response:
    """Delete a virtual host with everything in it; answers when that is done."""
    vhost = call.vhost("name")
    if vhost.metadata.protected:
        raise HttpError(412, "precondition_failed", f"vhost '{vhost.name}' is protected from deletion")
    deletion = call.context.parts.broker.delete_vhost(call.path["name"])
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    deletion.when_done(lambda: None if done.done() else done.set_result(None))
    await done
    return NoContent()


async def post_start(call: Call) -> Response:
    """Start a virtual host on a node; does nothing, as it runs already."""
    call.vhost("name")
    if call.path["node"] != call.context.node:
        raise BadRequest(f"Unknown node: {call.path['node'][:64]}")
    return NoContent()


async def post_protection(call: Call) -> Response:
    """Protect a virtual host from deletion."""
    return await _protect(call, is_protected=True)


async def delete_protection(call: Call) -> Response:
    """Remove a virtual host's protection from deletion."""
    return await _protect(call, is_protected=False)


async def _protect(call: Call, *, is_protected: bool) -> Response:
    vhost = call.vhost("name")
    vhost.describe(vhost.metadata.changed(protected=is_protected))
    await call.kept()
    return NoContent()


# ---------------------------------------------------------------------- limits


async def get_all_limits(call: Call) -> Response:
    """The limits of all virtual hosts that have any."""
    return Json([_limits(vhost) for vhost in call.vhosts() if vhost.limits])


async def get_limits(call: Call) -> Response:
    """The limits of one virtual host."""
    vhost = call.vhost()
    return Json([_limits(vhost)] if vhost.limits else [])


def _limits(vhost: VirtualHost) -> dict[str, object]:
    return {"vhost": vhost.name, "value": dict(vhost.limits)}


async def put_limit(call: Call) -> Response:
    """Set one limit; a negative one is none."""
    vhost = call.vhost()
    body = Body(call.json())
    body.need("value")
    name = call.path["name"]
    vhost.set_limit(name, read_limit(name, as_number(name, body.value("value")), OF_VHOSTS))
    await call.kept()
    return NoContent()


async def delete_limit(call: Call) -> Response:
    """Remove one limit; a missing one is no error."""
    call.vhost().clear_limit(call.path["name"])
    await call.kept()
    return NoContent()


NAMED = "/api/vhosts/{name}"
LIMITS = "/api/vhost-limits"

ROUTES = (
    Route("PUT", NAMED, put_vhost, "Create or change a virtual host.", Tag.ADMINISTRATOR, body=VHOST),
    Route("DELETE", NAMED, delete_vhost, "Delete a virtual host with everything in it.", Tag.ADMINISTRATOR),
    Route("POST", NAMED + "/start/{node}", post_start, "Accepted: it runs already.", Tag.ADMINISTRATOR),
    Route(
        "POST",
        NAMED + "/deletion/protection",
        post_protection,
        "Protect a virtual host from deletion.",
        Tag.ADMINISTRATOR,
    ),
    Route(
        "DELETE",
        NAMED + "/deletion/protection",
        delete_protection,
        "Remove the protection from deletion.",
        Tag.ADMINISTRATOR,
    ),
    Route("GET", LIMITS, get_all_limits, "The limits of virtual hosts."),
    Route("GET", LIMITS + "/{vhost}", get_limits, "The limits of a virtual host."),
    Route("PUT", LIMITS + "/{vhost}/{name}", put_limit, "Set a limit.", Tag.ADMINISTRATOR, body=VALUE),
    Route("DELETE", LIMITS + "/{vhost}/{name}", delete_limit, "Remove a limit.", Tag.ADMINISTRATOR),
)
