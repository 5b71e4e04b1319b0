"""Whatever a client sends to whatever path: an answer in RabbitMQ's form, and never a fault of the server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.managed import Http, ManagedServer

from batonmq.management.http.routes import Route
from batonmq.management.routes import ROUTES

# Each in the place of every field that the description of a route names.
VALUES: tuple[object, ...] = (None, True, -1, 2**80, 1.5, "", "x" * 70_000, "\x00", [], [None], {}, {"a": {"b": None}})
BODIES = (b"", b"{", b"null", b"[]", b"7", b'"x"', b'{"a":' * 50_000, b"\xff\xfe", b'{"a":"\xff"}', b'{"a":"\\ud800"}')
# Of what there is, what there is not, and what is no name.
NAMES = ("%2F", "there", "nothing", "%FF%00", "x" * 300)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    """One of its own: what is asked of it may be granted."""
    with ManagedServer(Path(tmp_path_factory.mktemp("bad"))) as server:
        yield server


@pytest.fixture
def http(server: ManagedServer) -> Http:
    return server.http()


def paths(route: Route) -> Iterator[str]:
    """The path with one kind of name in all its places, and with the virtual host "/" where one is meant."""
    for name in NAMES:
        yield re.sub(r"\{[^}]*\}", name, route.path)
        if "{vhost}" in route.path:
            yield re.sub(r"\{[^}]*\}", name, route.path.replace("{vhost}", "%2F"))


def bodies(route: Route) -> Iterator[object]:
    yield from BODIES
    properties = (route.body or {}).get("properties", {})
    assert isinstance(properties, dict)
    for value in VALUES:
        yield dict.fromkeys(properties, value)
        for name in properties:
            yield {**dict.fromkeys(properties, "1"), name: value}


def well_formed(route: Route) -> Iterator[object]:
    """Something that the route takes, as far as its description says."""
    properties = (route.body or {}).get("properties", {})
    assert isinstance(properties, dict)
    if properties:
        yield {name: EXAMPLES.get(str(schema.get("type")), "1") for name, schema in properties.items()}


def test_names_that_are_no_text_are_refused(http: Http) -> None:
    assert http("PUT", "/api/vhosts/%FF", {}).status == 400
    assert http("PUT", "/api/users/%FF", {"password": "x", "tags": ""}).status == 400
    # Queues and exchanges may have such names, as over AMQP.
    assert http("PUT", "/api/queues/%2F/%FF", {}).status == 201
    assert http("PUT", "/api/exchanges/%2F/%FF", {}).status == 201
    assert http("POST", "/api/bindings/%2F/e/%FF/q/%FF", {}).headers["location"] == "%FF/~"
    assert http.get("/api/bindings/%2F/e/%FF/q/%FF")
    assert http.get("/api/definitions")["bindings"] == [], "JSON cannot name it"
    assert http("DELETE", "/api/bindings/%2F/e/%FF/q/%FF/~").status == 204
    for kind in ("queues", "exchanges"):
        assert http("DELETE", f"/api/{kind}/%2F/%FF").status == 204


EXAMPLES: dict[str, object] = {"object": {"max-length": 1}, "integer": 1, "boolean": True, "array": []}

CHANGES = [route for route in ROUTES if route.method in ("PUT", "POST", "PATCH") and "/sse" not in route.path]


@pytest.mark.parametrize("route", CHANGES, ids=lambda route: f"{route.method} {route.path}")
def test_no_body_is_a_fault_of_the_server(http: Http, route: Route) -> None:
    http("PUT", "/api/queues/%2F/there", {})
    http("PUT", "/api/exchanges/%2F/there", {})
    path = re.sub(r"\{[^}]*\}", "there", re.sub(r"\{vhost\}", "%2F", route.path))
    for body in bodies(route):
        answer = http(route.method, path, body)
        assert answer.status < 500, (path, body, answer.body)
        if answer.status >= 400:
            assert set(answer.json) == {"error", "reason"}, answer.body


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_no_name_is_a_fault_of_the_server(http: Http, method: str) -> None:
    faults = [
        (path, answer.body)
        for route in ROUTES
        if route.method == method
        for path in paths(route)
        for body in ({}, *well_formed(route))
        if (answer := http(method, path, body)).status >= 500
    ]
    assert not faults
