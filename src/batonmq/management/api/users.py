"""Lists, creates, changes and deletes users and their limits."""

from __future__ import annotations

from collections.abc import Callable

from batonmq.errors import PreconditionFailed
from batonmq.management.definitions.described import described_user
from batonmq.management.http.bodies import Body, as_number, as_tags
from batonmq.management.http.call import Call
from batonmq.management.http.errors import BadRequest, not_found
from batonmq.management.http.responses import Created, Json, NoContent, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route, beside_the_store
from batonmq.server.user_changes import KnownUser
from batonmq.server.user_edit import UserEdit

USER = {
    "type": "object",
    "required": ["tags"],
    "properties": {
        "tags": {"type": ["string", "array"], "description": "A list, or one text separated by commas."},
        "password": {"type": "string", "description": "Empty: no password lets the user in."},
        "password_hash": {"type": "string", "description": "In the form that GET shows, or in RabbitMQ's."},
        "hashing_algorithm": {
            "type": "string",
            "description": "The algorithm of the hash; by default, as the form of the hash tells.",
        },
    },
}
NAMES = {
    "type": "object",
    "required": ["users"],
    "properties": {"users": {"type": "array", "items": {"type": "string"}}},
}
VALUE = {"type": "object", "required": ["value"], "properties": {"value": {"type": "integer"}}}


def named_user(call: Call, parameter: str = "user") -> KnownUser:
    """The user that the path names. Raises HttpError if there is none."""
    known = call.context.parts.users.find(call.path[parameter])
    if known is None:
        raise not_found()
    return known


async def get_users(call: Call) -> Response:
    """All users."""
    return Json([described_user(known) for known in call.context.parts.users.all()])


async def get_without_permissions(call: Call) -> Response:
    """The users who may open no virtual host."""
    return Json([described_user(known) for known in call.context.parts.users.all() if not known.user.permissions])


async def get_user(call: Call) -> Response:
    """A user."""
    return Json(described_user(named_user(call)))


async def put_user(call: Call) -> Response:
    """Create or change a user; omitted fields stay as they are."""
    body = Body(call.json())
    if not body.has("tags"):
        raise BadRequest("tags_not_present")
    tags = as_tags(body.value("tags"))
    password = _text(body, "password")
    # The hash takes precedence, as in RabbitMQ.
    password_hash = _text(body, "password_hash")
    algorithm = body.text("hashing_algorithm")
    name = call.path["user"]

    def put(edit: UserEdit) -> bool:
        return edit.put(
            name,
            tags=tags,
            password=None if password_hash is not None else password,
            password_hash=password_hash,
            hashing_algorithm=algorithm if password_hash else "",
        )

    is_new = await call.context.parts.users.change(put)
    return Created() if is_new else NoContent()


def _text(body: Body, name: str) -> str | None:
    """A text; None: absent. A number is refused: a password without quotes is a mistake."""
    value = body.values.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"{name} is to be a text")
    return value


async def delete_user(call: Call) -> Response:
    """Delete a user, and close its connections."""
    name = named_user(call).user.name
    await call.context.parts.users.change(lambda edit: edit.delete(name))
    return NoContent()


async def post_bulk_delete(call: Call) -> Response:
    """Delete several users, or none; missing ones count as deleted."""
    body = Body(call.json())
    body.need("users")
    names = body.value("users")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadRequest("users is to be a list of names")

    def delete_all(edit: UserEdit) -> None:
        for name in dict.fromkeys(names):
            if edit.has(name):
                edit.delete(name)

    await call.context.parts.users.change(delete_all)
    return NoContent()


# ---------------------------------------------------------------------- limits


async def get_all_limits(call: Call) -> Response:
    """The limits of all users that have any."""
    return Json([_limits(known) for known in call.context.parts.users.all() if known.user.limits])


async def get_limits(call: Call) -> Response:
    """The limits of one user: an administrator sees those of all, others their own."""
    call.require(call.is_administrator or call.path["user"] == call.user.name, "User not authorised to access object")
    known = named_user(call)
    return Json([_limits(known)] if known.user.limits else [])


def _limits(known: KnownUser) -> dict[str, object]:
    return {"user": known.user.name, "value": dict(known.user.limits)}


async def put_limit(call: Call) -> Response:
    """Set one limit; a negative one is none."""
    body = Body(call.json())
    body.need("value")
    name = call.path["name"]
    value = as_number(name, body.value("value"))
    return await _change(call, lambda edit, user: edit.set_limit(user, name, value))


async def delete_limit(call: Call) -> Response:
    """Remove one limit; a missing one is no error."""
    name = call.path["name"]
    return await _change(call, lambda edit, user: edit.clear_limit(user, name))


async def _change(call: Call, change: Callable[[UserEdit, str], None]) -> Response:
    user = call.path["user"]
    if call.context.parts.users.find(user) is None:
        raise PreconditionFailed(f"no_such_user: {user[:64]}")
    await call.context.parts.users.change(lambda edit: change(edit, user))
    return NoContent()


USERS = "/api/users"
LIMITS = "/api/user-limits"
WHO = Tag.ADMINISTRATOR

ROUTES = beside_the_store(
    Route("GET", USERS, get_users, "All users.", WHO),
    Route("GET", USERS + "/without-permissions", get_without_permissions, "Users without any permission.", WHO),
    Route("POST", USERS + "/bulk-delete", post_bulk_delete, "Delete several users.", WHO, body=NAMES),
    Route("GET", USERS + "/{user}", get_user, "A user.", WHO),
    Route("PUT", USERS + "/{user}", put_user, "Create or change a user.", WHO, body=USER, answers={201: "It is new."}),
    Route("DELETE", USERS + "/{user}", delete_user, "Delete a user.", WHO),
    Route("GET", LIMITS, get_all_limits, "The limits of users.", WHO),
    Route("GET", LIMITS + "/{user}", get_limits, "The limits of a user.", Tag.MANAGEMENT),
    Route("PUT", LIMITS + "/{user}/{name}", put_limit, "Set a limit.", WHO, body=VALUE),
    Route("DELETE", LIMITS + "/{user}/{name}", delete_limit, "Remove a limit.", WHO),
)
