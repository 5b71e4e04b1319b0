"""Parameters of components, global parameters, and the name of the cluster, which is one of these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from batonmq.broker.vhosts.parameters import LIMITS, OPERATOR_POLICY, POLICY, Parameter, Parameters
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.management.api.policies import changeable_vhost, describe as describe_policy
from batonmq.management.http.bodies import Body
from batonmq.management.http.call import Call
from batonmq.management.http.errors import not_found
from batonmq.management.http.responses import Created, Json, NoContent, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route

CLUSTER_NAME = "cluster_name"

VALUE = {"type": "object", "required": ["value"], "properties": {"value": {"description": "Any JSON."}}}
NAME = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


def _parameters(call: Call) -> Parameters:
    return call.context.parts.broker.parameters


def describe(parameter: Parameter) -> dict[str, object]:
    """A parameter in RabbitMQ's form."""
    return {
        "value": parameter.value,
        "vhost": parameter.vhost,
        "component": parameter.component,
        "name": parameter.name,
    }


def _kept_elsewhere(vhost: VirtualHost, component: str | None) -> Iterator[Parameter]:
    """Limits and policies, which have paths of their own to be changed under.

    As in RabbitMQ, policies are shown only to who asks for that component.
    """
    if component in (LIMITS, None) and vhost.limits:
        yield Parameter(LIMITS, vhost.name, "limits", dict(vhost.limits))
    for name, of_operator in ((POLICY, False), (OPERATOR_POLICY, True)):
        if component == name or (component is None and of_operator):
            for policy in vhost.policies.all(of_operator=of_operator):
                value = describe_policy(policy, vhost.name)
                del value["vhost"], value["name"]
                yield Parameter(name, vhost.name, policy.name, value)


def _list(call: Call, vhosts: Iterable[VirtualHost], component: str | None) -> list[Parameter]:
    found = _parameters(call)
    return [
        parameter
        for vhost in vhosts
        for parameter in (*found.all(component, vhost.name), *_kept_elsewhere(vhost, component))
    ]


async def get_all(call: Call) -> Response:
    """The parameters of all components, or of one, in the virtual hosts that the user sees."""
    return Json([describe(parameter) for parameter in _list(call, call.vhosts(), call.path.get("component"))])


async def get_of_vhost(call: Call) -> Response:
    """The parameters of a component in a virtual host."""
    return Json([describe(parameter) for parameter in _list(call, [call.vhost()], call.path["component"])])


async def get_parameter(call: Call) -> Response:
    """A parameter."""
    for parameter in _list(call, [call.vhost()], call.path["component"]):
        if parameter.name == call.path["name"]:
            return Json(describe(parameter))
    raise not_found()


def _found(call: Call) -> Parameter:
    parameter = _parameters(call).find(call.path["component"], call.vhost().name, call.path["name"])
    if parameter is None:
        raise not_found()
    return parameter


async def put_parameter(call: Call) -> Response:
    """Set a parameter of an existing component."""
    vhost = changeable_vhost(call).name
    component, name = call.path["component"], call.path["name"]
    body = Body(call.json())
    body.need("value")
    is_new = _parameters(call).find(component, vhost, name) is None
    _parameters(call).set(component, vhost, name, body.value("value"), call.user)
    await call.kept()
    return Created() if is_new else NoContent()


async def delete_parameter(call: Call) -> Response:
    """Remove a parameter."""
    changeable_vhost(call)
    parameter = _found(call)
    _parameters(call).clear(parameter.component, parameter.vhost, parameter.name)
    await call.kept()
    return NoContent()


# ---------------------------------------------------------------------- global parameters


async def get_all_global(call: Call) -> Response:
    """All global parameters."""
    return Json([{"name": name, "value": value} for name, value in _parameters(call).all_global().items()])


async def get_global(call: Call) -> Response:
    """A global parameter."""
    name, found = call.path["name"], _parameters(call).all_global()
    if name not in found:
        raise not_found()
    return Json({"name": name, "value": found[name]})


async def put_global(call: Call) -> Response:
    """Set a global parameter."""
    body = Body(call.json())
    body.need("value")
    name = call.path["name"]
    is_new = name not in _parameters(call).all_global()
    _parameters(call).set_global(name, body.value("value"))
    await call.kept()
    return Created() if is_new else NoContent()


async def delete_global(call: Call) -> Response:
    """Remove a global parameter."""
    if call.path["name"] not in _parameters(call).all_global():
        raise not_found()
    _parameters(call).clear_global(call.path["name"])
    await call.kept()
    return NoContent()


async def get_cluster_name(call: Call) -> Response:
    """The name of the cluster; by default that of the node."""
    found = _parameters(call).all_global().get(CLUSTER_NAME)
    return Json({"name": found if isinstance(found, str) else call.context.node})


async def put_cluster_name(call: Call) -> Response:
    """Name the cluster."""
    body = Body(call.json())
    body.need("name")
    _parameters(call).set_global(CLUSTER_NAME, body.short_text("name"))
    await call.kept()
    return NoContent()


ALL = "/api/parameters"
OF_VHOST = ALL + "/{component}/{vhost}"
NAMED = OF_VHOST + "/{name}"
GLOBAL = "/api/global-parameters"
BY_NAME = GLOBAL + "/{name}"
WHO = Tag.POLICYMAKER

ROUTES = (
    Route("GET", ALL, get_all, "All parameters.", WHO),
    Route("GET", ALL + "/{component}", get_all, "The parameters of a component.", WHO),
    Route("GET", OF_VHOST, get_of_vhost, "The parameters of a component in a virtual host.", WHO),
    Route("GET", NAMED, get_parameter, "A parameter.", WHO),
    Route("PUT", NAMED, put_parameter, "Set a parameter.", WHO, body=VALUE, answers={201: "It is new."}),
    Route("DELETE", NAMED, delete_parameter, "Remove a parameter.", WHO),
    Route("GET", GLOBAL, get_all_global, "All global parameters.", WHO),
    Route("GET", BY_NAME, get_global, "A global parameter.", WHO),
    Route("PUT", BY_NAME, put_global, "Set a global parameter.", WHO, body=VALUE, answers={201: "It is new."}),
    Route("DELETE", BY_NAME, delete_global, "Remove a global parameter.", WHO),
    Route("GET", "/api/cluster-name", get_cluster_name, "The name of the cluster."),
    Route("PUT", "/api/cluster-name", put_cluster_name, "Name the cluster.", Tag.ADMINISTRATOR, body=NAME),
)
