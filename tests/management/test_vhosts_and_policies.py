"""Virtual hosts, limits, policies and parameters, changed over HTTP."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from tests.support.managed import Http, ManagedServer

VHOST = "/api/vhosts/made"
POLICIES = "/api/policies/%2F"


@pytest.fixture
def vhost(http: Http) -> Iterator[Http]:
    """A client, and the virtual host "made"."""
    assert http("PUT", VHOST, {}).status == 201
    yield http
    http("DELETE", f"{VHOST}/deletion/protection")
    http("DELETE", VHOST)


# ---------------------------------------------------------------------- virtual hosts


def test_a_virtual_host_is_made_described_and_deleted(http: Http, managed: ManagedServer) -> None:
    body = {"description": "d", "tags": "a, b", "default_queue_type": "quorum", "tracing": False}
    assert http("PUT", VHOST, body).status == 201
    metadata = managed.server.broker.vhosts["made"].metadata
    assert (metadata.description, metadata.tags, metadata.default_queue_type) == ("d", ("a", "b"), "quorum")
    assert http("PUT", VHOST, {"description": "e", "tags": ["c"]}).status == 204
    metadata = managed.server.broker.vhosts["made"].metadata
    assert (metadata.description, metadata.tags, metadata.default_queue_type) == ("e", ("c",), "quorum")
    assert http("DELETE", VHOST).status == 204
    assert "made" not in managed.server.broker.vhosts
    assert http("DELETE", VHOST).status == 404
    assert http("PUT", VHOST, b"").status == 201
    assert http("DELETE", VHOST).status == 204


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("bad", {"default_queue_type": "nonsense"}),
        ("bad", {"tags": 7}),
        ("bad", {"tags": [1]}),
        ("bad", {"description": [1]}),
        ("bad", {"description": "x" * 5000}),
        ("bad", {"tracing": "perhaps"}),
        ("x" * 300, {}),
    ],
)
def test_a_wrong_virtual_host_is_not_made(http: Http, managed: ManagedServer, name: str, body: object) -> None:
    before = set(managed.server.broker.vhosts)
    assert http("PUT", f"/api/vhosts/{name}", body).status == 400
    assert set(managed.server.broker.vhosts) == before


def test_what_is_protected_stays(vhost: Http, managed: ManagedServer) -> None:
    assert vhost("POST", f"{VHOST}/deletion/protection").status == 204
    refused = vhost("DELETE", VHOST)
    assert (refused.status, refused.json["error"]) == (412, "precondition_failed")
    assert "made" in managed.server.broker.vhosts
    assert vhost("DELETE", f"{VHOST}/deletion/protection").status == 204
    assert vhost("DELETE", VHOST).status == 204
    assert vhost("DELETE", "/api/vhosts/%2F").status == 400
    assert vhost("DELETE", "/api/vhosts/other").status == 400


def test_a_virtual_host_runs_already(vhost: Http, managed: ManagedServer) -> None:
    node = managed.management.context.node
    assert vhost("POST", f"{VHOST}/start/{node}").status == 204
    assert vhost("POST", f"{VHOST}/start/nowhere").status == 400


def test_limits_of_virtual_hosts(vhost: Http, managed: ManagedServer) -> None:
    limits = "/api/vhost-limits"
    assert vhost("PUT", f"{limits}/made/max-connections", {"value": 10}).status == 204
    assert vhost("PUT", f"{limits}/made/max-queues", {"value": "-1"}).status == 204
    expected = {"vhost": "made", "value": {"max-connections": 10, "max-queues": -1}}
    assert vhost.get(f"{limits}/made") == [expected]
    assert vhost.get(limits) == [expected]
    for name, body in (("nonsense", {"value": 1}), ("max-queues", {"value": "x"}), ("max-queues", {})):
        assert vhost("PUT", f"{limits}/made/{name}", body).status == 400
    assert vhost("PUT", f"{limits}/nope/max-queues", {"value": 1}).status == 404
    for _ in range(2):
        assert vhost("DELETE", f"{limits}/made/max-queues").status == 204
    assert vhost.get(f"{limits}/made")[0]["value"] == {"max-connections": 10}
    assert vhost("GET", f"{limits}/nope").status == 404
    assert managed.http("a-management", "sesame").get(limits) == []


def test_only_administrators_change_virtual_hosts(managed: ManagedServer) -> None:
    for name in ("a-management", "a-policymaker", "a-monitoring"):
        client = managed.http(name, "sesame")
        assert client("PUT", "/api/vhosts/theirs", {}).status == 401
        assert client("DELETE", "/api/vhosts/other").status == 401
        assert client("PUT", "/api/vhost-limits/%2F/max-queues", {"value": 1}).status == 401
    assert not managed.server.broker.vhosts["/"].limits


# ---------------------------------------------------------------------- policies


@pytest.mark.parametrize("kind", ["policies", "operator-policies"])
def test_policies_are_set_listed_and_removed(http: Http, managed: ManagedServer, kind: str) -> None:
    path = f"/api/{kind}/%2F/limiting"
    http("PUT", "/api/queues/%2F/limited-by-policy", {})
    body = {"pattern": "^limited-by", "definition": {"max-length": 10}, "priority": "1", "apply-to": "queues"}
    assert http("PUT", path, body).status == 201
    queue = managed.server.broker.vhosts["/"].queues["limited-by-policy"]

    def limit() -> int | None:
        return queue.settings.max_length

    assert limit() == 10
    described = {**body, "priority": 1, "name": "limiting", "vhost": "/"}
    assert http.get(path) == described
    assert described in http.get(f"/api/{kind}/%2F")
    assert described in http.get(f"/api/{kind}")
    assert http("PUT", path, {"pattern": "^limited-by", "definition": {"max-length": 5}}).status == 204
    assert limit() == 5
    assert http("DELETE", path).status == 204
    assert limit() is None
    for method in ("GET", "DELETE"):
        assert http(method, path).status == 404
    assert http("GET", f"/api/{kind}/nope").status == 404
    http("DELETE", "/api/queues/%2F/limited-by-policy")


@pytest.mark.parametrize(
    "body",
    [
        {"definition": {"max-length": 1}},
        {"pattern": "x"},
        {"pattern": "(", "definition": {"max-length": 1}},
        {"pattern": "", "definition": {}},
        {"pattern": "", "definition": {"nonsense": 1}},
        {"pattern": "", "definition": {"max-length": -1}},
        {"pattern": "", "definition": 7},
        {"pattern": "", "definition": {"max-length": 1}, "apply-to": "x"},
        {"pattern": "", "definition": {"max-length": 1}, "priority": "x"},
        {"pattern": 7.5, "definition": {"max-length": 1}},
        {"pattern": "", "definition": {"max-length": None}},
    ],
)
def test_a_wrong_policy_is_refused(http: Http, body: object) -> None:
    for kind in ("policies", "operator-policies"):
        assert http("PUT", f"/api/{kind}/%2F/bad", body).status == 400
        assert http("GET", f"/api/{kind}/%2F/bad").status == 404


def test_who_may_set_policies(managed: ManagedServer) -> None:
    body = {"pattern": "^nothing$", "definition": {"max-length": 1}}
    policymaker, manager = managed.http("a-policymaker", "sesame"), managed.http("a-management", "sesame")
    assert manager("PUT", f"{POLICIES}/theirs", body).status == 401
    assert manager("GET", POLICIES).status == 200
    assert manager("GET", f"{POLICIES}/theirs").status == 401
    assert policymaker("PUT", f"{POLICIES}/theirs", body).status == 201
    assert policymaker("DELETE", f"{POLICIES}/theirs").status == 204
    assert policymaker("PUT", "/api/operator-policies/%2F/theirs", body).status == 401
    assert policymaker("PUT", "/api/policies/other/theirs", body).status == 401


# ---------------------------------------------------------------------- parameters


def test_global_parameters(http: Http) -> None:
    path = "/api/global-parameters/told"
    assert http("PUT", path, {"value": {"a": [1, 2]}}).status == 201
    assert http("PUT", path, {"value": None}).status == 204
    assert http.get(path) == {"name": "told", "value": None}
    assert {"name": "told", "value": None} in http.get("/api/global-parameters")
    assert http("PUT", path, {}).json["reason"] == "[{key_missing,value}]"
    assert http("DELETE", path).status == 204
    for method in ("GET", "DELETE"):
        assert http(method, path).status == 404


def test_parameters_of_no_component_are_refused(http: Http) -> None:
    answer = http("PUT", "/api/parameters/federation-upstream/%2F/s", {"value": {}})
    assert (answer.status, answer.json["reason"]) == (400, "component federation-upstream not found")
    assert http.get("/api/parameters/federation-upstream/%2F") == []
    for method in ("GET", "DELETE"):
        assert http(method, "/api/parameters/federation-upstream/%2F/s").status == 404


def test_limits_and_policies_are_among_the_parameters(vhost: Http) -> None:
    policy = {"pattern": "^x", "definition": {"max-length": 5}, "apply-to": "queues", "priority": 3}
    assert vhost("PUT", "/api/policies/made/ours", policy).status == 201
    assert vhost("PUT", "/api/operator-policies/made/theirs", policy).status == 201
    assert vhost("PUT", "/api/vhost-limits/made/max-queues", {"value": 50}).status == 204

    def row(component: str, name: str, value: object) -> dict[str, object]:
        return {"component": component, "vhost": "made", "name": name, "value": value}

    limits = row("vhost-limits", "limits", {"max-queues": 50})
    ours, theirs = row("policy", "ours", policy), row("operator_policy", "theirs", policy)
    # As in RabbitMQ, which keeps policies out of the list of all.
    assert [each for each in vhost.get("/api/parameters") if each["vhost"] == "made"] == [limits, theirs]
    assert ours in vhost.get("/api/parameters/policy")
    assert vhost.get("/api/parameters/operator_policy/made") == [theirs]
    assert vhost.get("/api/parameters/vhost-limits/made/limits") == limits
    assert vhost.get("/api/parameters/policy/made/ours") == ours
    assert vhost("GET", "/api/parameters/policy/made/theirs").status == 404
    assert vhost("DELETE", "/api/parameters/policy/made/ours").status == 404


def test_the_name_of_the_cluster(http: Http, managed: ManagedServer) -> None:
    assert http.get("/api/cluster-name") == {"name": managed.management.context.node}
    assert http("PUT", "/api/cluster-name", {"name": "orders"}).status == 204
    assert http.get("/api/cluster-name") == {"name": "orders"}
    assert managed.http("a-monitoring", "sesame")("PUT", "/api/cluster-name", {"name": "x"}).status == 401
    http("DELETE", "/api/global-parameters/cluster_name")


# ---------------------------------------------------------------------- what one node has to say


def test_what_one_node_has_to_say(http: Http, managed: ManagedServer) -> None:
    assert http.get("/api/whoami") == {"name": "guest", "tags": ["administrator"], "is_internal_user": True}
    assert "quorum_queue" in [flag["name"] for flag in http.get("/api/feature-flags")]
    assert http("PUT", "/api/feature-flags/quorum_queue/enable", {}).status == 204
    assert http("PUT", "/api/feature-flags/nonsense/enable", {}).status == 400
    assert http.get("/api/deprecated-features/used") == []
    assert http("POST", "/api/rebalance/queues", {}).status == 204
    assert http("DELETE", "/api/reset").status == 204
    assert http("DELETE", f"/api/reset/{managed.management.context.node}").status == 204
    assert http("DELETE", "/api/reset/nowhere").status == 404
    assert http.get("/api/auth")["oauth_enabled"] is False
    assert base64.b64decode(http.get("/api/auth/hash_password/secret")["ok"]).startswith(b"scrypt$")
