"""A disk that takes nothing, as the HTTP API tells it: 503, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from proof.disk import Disk
from tests.support.managed import Http, ManagedServer
from tests.support.waiting import until

PUBLISH = {"routing_key": "q", "properties": {"delivery_mode": 2}, "payload": "x", "payload_encoding": "string"}
POLICY = {"pattern": "^q$", "definition": {"max-length": 1}}
CHANGES: tuple[tuple[str, str, object], ...] = (
    ("PUT", "/api/queues/%2F/new", {"durable": True}),
    ("DELETE", "/api/queues/%2F/q", None),
    ("DELETE", "/api/queues/%2F/q/contents", None),
    ("PUT", "/api/exchanges/%2F/new", {"type": "topic", "durable": True}),
    ("POST", "/api/bindings/%2F/e/amq.topic/q/q", {"routing_key": "new"}),
    ("DELETE", "/api/bindings/%2F/e/amq.topic/q/q/k", None),
    ("PUT", "/api/vhosts/new", {}),
    ("PUT", "/api/vhosts/shop", {"description": "changed"}),
    ("DELETE", "/api/vhosts/shop", None),
    ("PUT", "/api/vhost-limits/shop/max-queues", {"value": 1}),
    ("PUT", "/api/policies/%2F/new", POLICY),
    ("PUT", "/api/operator-policies/%2F/new", POLICY),
    ("PUT", "/api/global-parameters/new", {"value": 1}),
    ("PUT", "/api/cluster-name", {"name": "new"}),
    ("POST", "/api/definitions", {"vhosts": [{"name": "new"}], "users": [{"name": "new", "password_hash": ""}]}),
    ("POST", "/api/baton/queues/%2F/q/pause", {}),
    ("POST", "/api/baton/queues/%2F/q/purge", {}),
    ("POST", "/api/baton/queues/%2F/q/move", {"to": "other"}),
    ("PATCH", "/api/baton/queues/%2F/q/settings", {"arguments": {"x-max-length": 1}}),
    ("POST", "/api/exchanges/%2F/amq.default/publish", PUBLISH),
)


@pytest.fixture
def server(disk: Disk, data: Path) -> Iterator[ManagedServer]:
    with ManagedServer(data) as server:
        yield server
        disk.is_broken = False


@pytest.fixture
def client(server: ManagedServer) -> Http:
    http = server.http()
    for name in ("q", "other"):
        assert http("PUT", f"/api/queues/%2F/{name}", {"durable": True}).status == 201
    assert http("PUT", "/api/vhosts/shop", {}).status == 201
    assert http("POST", "/api/bindings/%2F/e/amq.topic/q/q", {"routing_key": "k"}).status == 201
    assert http("POST", "/api/exchanges/%2F/amq.default/publish", PUBLISH).status == 200
    return http


def all_of(server: ManagedServer, http: Http) -> object:
    queue = server.server.broker.vhosts["/"].queues["q"]
    return http.get("/api/definitions"), http.get("/api/cluster-name"), queue.paused, queue.ready_count


def test_what_cannot_be_kept_is_refused_and_changes_nothing(disk: Disk, server: ManagedServer, client: Http) -> None:
    disk.is_broken = True
    assert client("PUT", "/api/global-parameters/first", {"value": 1}).status == 503
    before = all_of(server, client)
    for method, path, body in CHANGES:
        answer = client(method, path, body)
        assert (answer.status, answer.json["error"]) == (503, "service_unavailable"), (method, path, answer.body)
        assert all_of(server, client) == before, (method, path)
    assert client("POST", "/api/baton/session", {"name": "guest", "password": "guest"}).status == 200
    assert client("PUT", "/api/users/ann", {"password": "sesame", "tags": ""}).status == 503
    disk.is_broken = False
    assert client("PUT", "/api/users/ann", {"password": "sesame", "tags": ""}).status == 201
    until(lambda: client("PUT", "/api/global-parameters/second", {"value": 2}).status == 201)
    assert client("POST", "/api/exchanges/%2F/amq.default/publish", PUBLISH).status == 200


@pytest.mark.parametrize("is_protected", [False, True])
def test_a_virtual_host_without_rights_is_not_made(
    server: ManagedServer, client: Http, data: Path, is_protected: bool
) -> None:
    (data / "users.json").unlink()
    (data / "users.json").mkdir()
    told: list[str] = []
    server.server.broker.events.listen(lambda event: told.append(event.kind))
    answer = client("PUT", "/api/vhosts/new", {"protected_from_deletion": is_protected})
    assert answer.status == 503
    assert "new" not in server.server.broker.vhosts
    # Not for a moment: it would be there after a crash in that moment.
    assert told == []


def test_a_virtual_host_that_could_not_be_kept_is_not_there_later(
    disk: Disk, server: ManagedServer, client: Http
) -> None:
    disk.is_broken = True
    assert client("PUT", "/api/vhosts/new", {"protected_from_deletion": True}).status == 503
    assert "new" not in server.server.broker.vhosts
    disk.is_broken = False
    until(lambda: client("PUT", "/api/vhosts/new", {}).status == 201)
