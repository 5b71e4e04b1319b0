"""The description of the API in OpenAPI 3.1, generated from the routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus

from batonmq import __version__
from batonmq.management.http.call import Call
from batonmq.management.http.responses import Json, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route

__all__ = ["description", "openapi_route"]

ERROR = {
    "type": "object",
    "required": ["error", "reason"],
    "properties": {"error": {"type": "string"}, "reason": {"type": "string"}},
}


def openapi_route(routes: Sequence[Route], prefix: str) -> Route:
    """The route of the description. It describes ``routes`` and itself."""

    async def describe(_: Call) -> Response:
        return Json(described)

    route = Route("GET", "/api/openapi.json", describe, "This description.", Tag.NOBODY, "openapi")
    described = description((*routes, route), prefix)
    return route


def description(routes: Sequence[Route], prefix: str = "") -> dict[str, object]:
    """The description of these routes as an object of OpenAPI."""
    paths: dict[str, dict[str, object]] = {}
    for route in sorted(routes, key=lambda route: (route.path, route.method)):
        if route.path.startswith("/api/"):
            paths.setdefault(_plain(route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "BatonMQ management",
            "version": __version__,
            "description": "The HTTP API of RabbitMQ's management plugin, and BatonMQ's own below /api/baton/."
            ' Names in paths are percent-encoded: the virtual host "/" is %2F.',
        },
        "servers": [{"url": prefix or "/"}],
        "security": [{"basic": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
            "schemas": {"Error": ERROR},
        },
    }


def _plain(path: str) -> str:
    """The path of a route without the marks of its names."""
    return re.sub(r"[*?]}", "}", path)


def _operation(route: Route) -> dict[str, object]:
    path = _plain(route.path)
    names = re.findall(r"\{(\w+)\}", path)
    parameters: list[object] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ]
    parameters += [
        {"name": name, "in": "query", "description": what, "schema": {"type": "string"}}
        for name, what in route.query.items()
    ]
    answers = {str(code): {"description": what} for code, what in route.answers.items()}
    if not any(code.startswith("2") for code in answers):
        answers["200"] = {"description": "Done."}
    answers["default"] = {"description": "Refused.", "$ref": "#/components/schemas/Error"}
    for code in answers:
        if code != "default":
            assert HTTPStatus(int(code))
    operation: dict[str, object] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()} {path}",
        "tags": [route.group or route.path.split("/")[2]],
        "parameters": parameters,
        "responses": {
            code: answer
            if code != "default"
            else {
                "description": "Refused.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            }
            for code, answer in answers.items()
        },
        "x-least-tag": route.may.value,
    }
    if route.may is Tag.NOBODY:
        operation["security"] = []
    if route.body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": dict(route.body)}}}
    return operation
