"""What users may do in virtual hosts, and which topics they may use there."""

from __future__ import annotations

from collections.abc import Iterator

from batonmq.broker.model.access import User
from batonmq.management.api.users import named_user
from batonmq.management.definitions.described import described_permission, permissions_of, topics_of
from batonmq.management.http.bodies import Body
from batonmq.management.http.call import Call
from batonmq.management.http.errors import BadRequest, not_found
from batonmq.management.http.responses import Created, Json, NoContent, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route, beside_the_store

_PATTERN = {"type": "string", "description": "A regular expression that is searched for in names; empty: no name."}
PERMISSION = {
    "type": "object",
    "required": ["configure", "write", "read"],
    "properties": {"configure": _PATTERN, "write": _PATTERN, "read": _PATTERN},
}
TOPIC_PERMISSION = {
    "type": "object",
    "required": ["exchange", "write", "read"],
    "properties": {"exchange": {"type": "string"}, "write": _PATTERN, "read": _PATTERN},
}


def _users(call: Call) -> Iterator[User]:
    return (known.user for known in call.context.parts.users.all())


def _addressed(call: Call) -> tuple[str, str]:
    """The names of the virtual host and the user of a change. Raises BadRequest if either is missing."""
    vhost, user = call.path["vhost"], call.path["user"]
    if vhost not in call.context.parts.broker.vhosts or call.context.parts.users.find(user) is None:
        raise BadRequest("vhost_or_user_not_found")
    return vhost, user


# ---------------------------------------------------------------------- permissions


async def get_all(call: Call) -> Response:
    """All permissions."""
    return Json([one for user in _users(call) for one in permissions_of(user)])


async def get_of_vhost(call: Call) -> Response:
    """The permissions in a virtual host."""
    vhost = call.vhost().name
    return Json([one for user in _users(call) for one in permissions_of(user, vhost)])


async def get_of_user(call: Call) -> Response:
    """The permissions of a user."""
    return Json(list(permissions_of(named_user(call).user)))


async def get_permission(call: Call) -> Response:
    """What a user may do in a virtual host."""
    user, vhost = named_user(call).user, call.vhost().name
    permission = user.permissions.get(vhost)
    if permission is None:
        raise not_found()
    return Json(described_permission(user.name, vhost, permission))


async def put_permission(call: Call) -> Response:
    """Set what a user may do in a virtual host."""
    body = Body(call.json())
    body.need("configure", "write", "read")
    configure, write, read = (_pattern(body, name) for name in ("configure", "write", "read"))
    vhost, user = _addressed(call)
    is_new = vhost not in named_user(call).user.permissions
    await call.context.parts.users.change(lambda edit: edit.set_permission(user, vhost, configure, write, read))
    return Created() if is_new else NoContent()


async def delete_permission(call: Call) -> Response:
    """Remove a user's access to a virtual host."""
    user, vhost = named_user(call).user, call.vhost().name
    if vhost not in user.permissions:
        raise not_found()
    await call.context.parts.users.change(lambda edit: edit.clear_permission(user.name, vhost))
    return NoContent()


def _pattern(body: Body, name: str) -> str:
    if not isinstance(body.value(name), str):
        raise BadRequest(f"{name} is to be a text")
    return body.text(name)


# ---------------------------------------------------------------------- topic permissions


async def get_all_topics(call: Call) -> Response:
    """All topic permissions."""
    return Json([one for user in _users(call) for one in topics_of(user)])


async def get_topics_of_vhost(call: Call) -> Response:
    """The topic permissions in a virtual host."""
    vhost = call.vhost().name
    return Json([one for user in _users(call) for one in topics_of(user, vhost)])


async def get_topics_of_user(call: Call) -> Response:
    """The topic permissions of a user."""
    return Json(list(topics_of(named_user(call).user)))


async def get_topics(call: Call) -> Response:
    """The topic permissions of a user in a virtual host."""
    found = list(topics_of(named_user(call).user, call.vhost().name))
    if not found:
        raise not_found()
    return Json(found)


async def put_topic(call: Call) -> Response:
    """Set which routing keys a user may use with a topic exchange."""
    body = Body(call.json())
    body.need("exchange", "write", "read")
    exchange = body.short_text("exchange")
    write, read = _pattern(body, "write"), _pattern(body, "read")
    vhost, user = _addressed(call)
    if call.vhost().router.exchange(exchange) is None:
        # One of a misspelt exchange would restrict nothing.
        raise BadRequest(f"no_such_exchange: {exchange}")
    is_new = exchange not in named_user(call).user.topic_permissions.get(vhost, {})
    await call.context.parts.users.change(lambda edit: edit.set_topic_permission(user, vhost, exchange, write, read))
    return Created() if is_new else NoContent()


async def delete_topics(call: Call) -> Response:
    """Remove a user's topic permissions in a virtual host: for one exchange, or for all."""
    user, vhost = named_user(call).user, call.vhost().name
    exchange = call.path.get("exchange")
    there = user.topic_permissions.get(vhost, {})
    if not there or (exchange is not None and exchange not in there):
        raise not_found()
    await call.context.parts.users.change(lambda edit: edit.clear_topic_permission(user.name, vhost, exchange))
    return NoContent()


PERMISSIONS = "/api/permissions"
NAMED = PERMISSIONS + "/{vhost}/{user}"
TOPICS = "/api/topic-permissions"
NAMED_TOPICS = TOPICS + "/{vhost}/{user}"
OF_VHOST = "/api/vhosts/{vhost}"
OF_USER = "/api/users/{user}"
WHO = Tag.ADMINISTRATOR

ROUTES = beside_the_store(
    Route("GET", PERMISSIONS, get_all, "All permissions.", WHO),
    Route("GET", OF_VHOST + "/permissions", get_of_vhost, "The permissions in a virtual host.", WHO),
    Route("GET", OF_USER + "/permissions", get_of_user, "The permissions of a user.", WHO),
    Route("GET", NAMED, get_permission, "A permission.", WHO),
    Route("PUT", NAMED, put_permission, "Set a permission.", WHO, body=PERMISSION, answers={201: "It is new."}),
    Route("DELETE", NAMED, delete_permission, "Remove a permission.", WHO),
    Route("GET", TOPICS, get_all_topics, "All topic permissions.", WHO),
    Route("GET", OF_VHOST + "/topic-permissions", get_topics_of_vhost, "The topic permissions in a virtual host.", WHO),
    Route("GET", OF_USER + "/topic-permissions", get_topics_of_user, "The topic permissions of a user.", WHO),
    Route("GET", NAMED_TOPICS, get_topics, "The topic permissions of a user in a virtual host.", WHO),
    Route("PUT", NAMED_TOPICS, put_topic, "Set a topic permission.", WHO, body=TOPIC_PERMISSION),
    Route("DELETE", NAMED_TOPICS, delete_topics, "Remove a user's topic permissions.", WHO),
    Route("DELETE", NAMED_TOPICS + "/{exchange}", delete_topics, "Remove a topic permission.", WHO),
)
