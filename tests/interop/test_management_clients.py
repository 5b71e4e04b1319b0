"""What other clients of RabbitMQ's HTTP API ask for, request by request: those that are not here to be run.

rabbit-hole is what Terraform's provider for RabbitMQ uses: what its types read, and how it understands errors. KEDA's
scaler and the exporters for Prometheus read a few fields each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.managed import Http, ManagedServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    with ManagedServer(tmp_path_factory.mktemp("clients")) as server:
        yield server


@pytest.fixture
def http(server: ManagedServer) -> Http:
    return server.http()


def put(http: Http, path: str, body: object) -> None:
    answer = http("PUT", path, body)
    assert answer.status in (201, 204), (path, answer.body)


# ---------------------------------------------------------------------- Terraform's provider, through rabbit-hole


def test_terraform_makes_reads_changes_and_destroys(http: Http) -> None:
    """The resources of the provider, in the order of a plan: each is put, read back, put again and deleted."""
    put(http, "/api/vhosts/tf", {"description": "", "default_queue_type": "classic", "tracing": False, "tags": []})
    assert http.get("/api/vhosts/tf")["name"] == "tf"
    put(http, "/api/users/tf", {"name": "tf", "password": "p", "tags": "management,monitoring"})
    # rabbit-hole reads tags of either form.
    assert sorted(http.get("/api/users/tf")["tags"]) == ["management", "monitoring"]
    put(http, "/api/permissions/tf/tf", {"configure": ".*", "write": ".*", "read": ".*"})
    assert http.get("/api/permissions/tf/tf")["configure"] == ".*"
    topic = {"exchange": "amq.topic", "write": ".*", "read": ".*"}
    put(http, "/api/topic-permissions/tf/tf", topic)
    assert {one["exchange"] for one in http.get("/api/topic-permissions/tf/tf")} == {"amq.topic"}
    exchange = {"type": "fanout", "durable": False, "auto_delete": True, "arguments": {}}
    put(http, "/api/exchanges/tf/test", exchange)
    read = http.get("/api/exchanges/tf/test")
    assert {name: read[name] for name in exchange} == exchange
    queue = {"durable": True, "auto_delete": False, "arguments": {"x-queue-type": "quorum", "x-message-ttl": 5000}}
    put(http, "/api/queues/tf/test", queue)
    read = http.get("/api/queues/tf/test")
    assert {name: read[name] for name in queue} == queue
    binding = {
        "source": "test",
        "vhost": "tf",
        "destination": "test",
        "destination_type": "queue",
        "routing_key": "#",
        "arguments": {"x": "y"},
    }
    answer = http("POST", "/api/bindings/tf/e/test/q/test", binding)
    assert answer.status == 201
    # The provider takes what is behind the last slash of the location, decoded once, as the properties key.
    (listed,) = [one for one in http.get("/api/bindings/tf") if one["source"] == "test"]
    key = answer.headers["location"].rpartition("/")[2].replace("%25", "%")
    assert (listed["properties_key"], listed["arguments"]) == (key, {"x": "y"})
    policy = {
        "vhost": "tf",
        "name": "tf",
        "pattern": "^(?!amq\\.).+",
        "priority": 0,
        "apply-to": "all",
        "definition": {"ha-mode": "all"},
    }
    put(http, "/api/policies/tf/tf", policy)
    assert http.get("/api/policies/tf/tf") == policy
    operators = {"pattern": ".*", "priority": 0, "apply-to": "queues", "definition": {"message-ttl": 3600000}}
    put(http, "/api/operator-policies/tf/tf", operators)
    assert http.get("/api/operator-policies/tf/tf")["definition"] == {"message-ttl": 3600000}
    put(http, "/api/vhost-limits/tf/max-queues", {"value": 100})
    for path in (
        "/api/operator-policies/tf/tf",
        "/api/policies/tf/tf",
        f"/api/bindings/tf/e/test/q/test/{key.replace('%', '%25')}",
        "/api/queues/tf/test",
        "/api/topic-permissions/tf/tf",
        "/api/permissions/tf/tf",
        "/api/users/tf",
        "/api/vhosts/tf",
    ):
        answer = http("DELETE", path)
        assert answer.status == 204, (path, answer.body)
        # It counts as destroyed when it is read as 404.
        assert "/bindings/" in path or http("GET", path).status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/queues/%2F/nothing", None, 404),
        ("PUT", "/api/exchanges/%2F/x", {"type": "nonsense"}, 400),
        ("PUT", "/api/vhosts/x", {"tags": 7}, 400),
        ("PUT", "/api/users/x", {}, 400),
    ],
)
def test_errors_have_the_form_that_clients_read(http: Http, method: str, path: str, body: object, status: int) -> None:
    """Both are texts: a client with types fails on anything else."""
    answer = http(method, path, body)
    assert answer.status == status
    assert set(answer.json) == {"error", "reason"}
    assert all(isinstance(value, str) for value in answer.json.values())


# ---------------------------------------------------------------------- what scales and watches


def fill(http: Http, queue: str, count: int) -> None:
    put(http, f"/api/queues/%2F/{queue}", {"durable": True})
    message = {"properties": {}, "routing_key": queue, "payload": "x", "payload_encoding": "string"}
    for _ in range(count):
        assert http("POST", "/api/exchanges/%2F/amq.default/publish", message).status == 200


def test_kedas_scaler(http: Http) -> None:
    """By the name of a queue, and by a regular expression over pages; it reads messages, their rate and the name."""
    fill(http, "keda-1", 2)
    fill(http, "keda-2", 1)
    queue = http.get("/api/queues/%2F/keda-1")
    assert (queue["name"], queue["messages"]) == ("keda-1", 2)
    assert isinstance(queue["message_stats"]["publish_details"]["rate"], int | float)
    pages = "page=1&use_regex=true&pagination=false&name=%5Ekeda&page_size=100"
    for path in (f"/api/queues?{pages}", f"/api/queues/%2F?{pages}"):
        answer: dict[str, Any] = http.get(path)
        assert sorted((one["name"], one["messages"]) for one in answer["items"]) == [("keda-1", 2), ("keda-2", 1)]


def test_exporters_for_prometheus(http: Http) -> None:
    """The requests of kbudde's exporter, and the fields of which it makes metrics."""
    fill(http, "exported", 1)
    overview = http.get("/api/overview")
    assert {"channels", "connections", "consumers", "queues", "exchanges"} <= set(overview["object_totals"])
    assert {"messages", "messages_ready", "messages_unacknowledged"} <= set(overview["queue_totals"])
    assert overview["rabbitmq_version"]
    assert overview["node"]
    (queue,) = [one for one in http.get("/api/queues") if one["name"] == "exported"]
    for field in ("messages_ready", "messages_unacknowledged", "messages", "consumers", "memory"):
        assert isinstance(queue[field], int | float), field
    assert {"vhost", "name", "durable", "policy", "state"} <= set(queue)
    assert all({"vhost", "name", "type"} <= set(one) for one in http.get("/api/exchanges"))
    (node,) = http.get("/api/nodes")
    for field in ("uptime", "fd_used", "fd_total", "mem_used", "mem_limit", "disk_free", "sockets_used", "proc_used"):
        assert isinstance(node[field], int | float), field
    assert node["running"] is True
    for path in ("/api/connections", "/api/parameters/shovel", "/api/shovels"):
        assert http("GET", path).status in (200, 404)
    assert http.get("/api/aliveness-test/%2F") == {"status": "ok"}
