"""Lists, sets and removes policies and operator policies."""

from __future__ import annotations

from batonmq.broker.vhosts.policy import PRIORITY_MAX, Policy, read_policy
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.management.http.bodies import Body, as_number
from batonmq.management.http.call import Call
from batonmq.management.http.errors import not_found
from batonmq.management.http.kept import applied
from batonmq.management.http.responses import Created, Json, NoContent, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Handler, Route

POLICY = {
    "type": "object",
    "required": ["pattern", "definition"],
    "properties": {
        "pattern": {"type": "string", "description": "A regular expression that is searched for in names."},
        "definition": {"type": "object", "description": "Settings by name, such as max-length."},
        "priority": {"type": "integer", "default": 0},
        "apply-to": {
            "enum": ["queues", "classic_queues", "quorum_queues", "streams", "exchanges", "all"],
            "default": "all",
        },
    },
}


def changeable_vhost(call: Call) -> VirtualHost:
    """The virtual host of the path, for a user who may change its policies.

    Seeing it is not enough. Raises HttpError.
    """
    vhost = call.vhost()
    may_change = call.user.may_open(vhost.name) or call.is_administrator
    call.require(may_change, "User not authorised to access virtual host")
    return vhost


def describe(policy: Policy, vhost: str) -> dict[str, object]:
    """A policy in RabbitMQ's form."""
    return {
        "vhost": vhost,
        "name": policy.name,
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "definition": dict(policy.definition),
        "priority": policy.priority,
    }


def read(name: str, body: Body, *, of_operator: bool) -> Policy:
    """The policy that a body describes. Raises BadRequest, PreconditionFailed."""
    body.need("pattern", "definition")
    return read_policy(
        name,
        body.text("pattern"),
        body.arguments("definition"),
        apply_to=body.text("apply-to", "all"),
        priority=as_number("priority", body.values.get("priority", 0), -PRIORITY_MAX - 1, PRIORITY_MAX),
        of_operator=of_operator,
    )


def _list_all(of_operator: bool) -> Handler:
    async def list_all(call: Call) -> Response:
        return Json(
            [
                describe(policy, vhost.name)
                for vhost in call.vhosts()
                for policy in vhost.policies.all(of_operator=of_operator)
            ]
        )

    return list_all


def _list_some(of_operator: bool) -> Handler:
    async def list_some(call: Call) -> Response:
        vhost = call.vhost()
        return Json([describe(policy, vhost.name) for policy in vhost.policies.all(of_operator=of_operator)])

    return list_some


def _get(of_operator: bool) -> Handler:
    async def get(call: Call) -> Response:
        vhost = call.vhost()
        policy = vhost.policies.find(call.path["name"], of_operator=of_operator)
        if policy is None:
            raise not_found()
        return Json(describe(policy, vhost.name))

    return get


def _put(of_operator: bool) -> Handler:
    async def put(call: Call) -> Response:
        vhost = changeable_vhost(call)
        name = call.path["name"]
        policy = read(name, Body(call.json()), of_operator=of_operator)
        is_new = vhost.policies.find(name, of_operator=of_operator) is None
        vhost.policies.set(policy)
        await applied(vhost.policies)
        await call.kept()
        return Created() if is_new else NoContent()

    return put


def _delete(of_operator: bool) -> Handler:
    async def delete(call: Call) -> Response:
        vhost = changeable_vhost(call)
        if vhost.policies.find(call.path["name"], of_operator=of_operator) is None:
            raise not_found()
        vhost.policies.clear(call.path["name"], of_operator=of_operator)
        await applied(vhost.policies)
        await call.kept()
        return NoContent()

    return delete


def _routes(path: str, what: str, changes: Tag, *, of_operator: bool) -> tuple[Route, ...]:
    in_vhost, named = path + "/{vhost}", path + "/{vhost}/{name}"
    return (
        Route("GET", path, _list_all(of_operator), f"Every {what}.", Tag.MANAGEMENT),
        Route("GET", in_vhost, _list_some(of_operator), f"Every {what} of a virtual host.", Tag.MANAGEMENT),
        Route("GET", named, _get(of_operator), f"A {what}.", Tag.POLICYMAKER),
        Route("PUT", named, _put(of_operator), f"Set a {what}.", changes, body=POLICY, answers={201: "It is new."}),
        Route("DELETE", named, _delete(of_operator), f"Remove a {what}.", changes),
    )


ROUTES = (
    *_routes("/api/policies", "policy", Tag.POLICYMAKER, of_operator=False),
    *_routes("/api/operator-policies", "operator policy", Tag.ADMINISTRATOR, of_operator=True),
)
