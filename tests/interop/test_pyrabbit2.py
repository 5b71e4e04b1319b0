"""pyrabbit2, unchanged: every call that it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pika
import pytest

from tests.support.managed import ManagedServer
from tests.support.waiting import until

api = pytest.importorskip("pyrabbit2.api", reason="pyrabbit2 is not installed")
http = pytest.importorskip("pyrabbit2.http")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    with ManagedServer(tmp_path_factory.mktemp("pyrabbit2")) as server:
        yield server


@pytest.fixture
def client(server: ManagedServer) -> Any:  # noqa: ANN401  (it has no types)
    return api.Client(f"127.0.0.1:{server.http_port}", "guest", "guest", timeout=30)


def test_what_there_is(client: Any) -> None:  # noqa: ANN401
    assert client.is_alive()
    with pytest.raises(api.APIError):
        client.is_alive("nowhere")
    client.delete_queue("/", "aliveness-test")
    assert client.get_whoami()["name"] == "guest"
    assert client.get_overview()["rabbitmq_version"]
    assert client.get_nodes()[0]["running"] is True
    assert client.get_extensions() == []
    assert client.get_cluster_name()["name"]
    assert client.get_definitions()["product_name"] == "BatonMQ"


def test_virtual_hosts_users_and_permissions(client: Any) -> None:  # noqa: ANN401
    assert client.create_vhost("v") == 201
    assert set(client.get_vhost_names()) >= {"/", "v"}
    assert client.get_vhost("v")["name"] == "v"
    assert [vhost["name"] for vhost in client.get_all_vhosts()] == client.get_vhost_names()
    assert client.create_user("u", "p", tags="management") == 201
    exported = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    assert client.create_user("hashed", password_hash=exported, tags="management") == 201
    assert {"u", "hashed"} <= {user["name"] for user in client.get_users()}
    assert client.set_vhost_permissions("v", "u", ".*", "^r", "^w") == 201
    expected = {"user": "u", "vhost": "v", "configure": ".*", "write": "^w", "read": "^r"}
    assert client.get_permission("v", "u") == expected
    for listed in (client.get_permissions(), client.get_vhost_permissions("v"), client.get_user_permissions("u")):
        assert expected in listed
    assert client.delete_permission("v", "u") == 204
    for name in ("u", "hashed"):
        assert client.delete_user(name) == 204
    assert client.delete_vhost("v") == 204
    with pytest.raises(http.HTTPError, match="404"):
        client.get_vhost("v")


def test_wrong_passwords_and_rights(client: Any, server: ManagedServer) -> None:  # noqa: ANN401
    with pytest.raises(api.PermissionError):
        api.Client(f"127.0.0.1:{server.http_port}", "guest", "wrong").get_whoami()
    client.create_user("small", "p", tags="management")
    with pytest.raises(api.PermissionError):
        api.Client(f"127.0.0.1:{server.http_port}", "small", "p").get_users()
    client.delete_user("small")


def test_exchanges_queues_and_bindings(client: Any) -> None:  # noqa: ANN401
    assert client.create_exchange("/", "e", "topic")
    assert client.get_exchange("/", "e")["type"] == "topic"
    assert "e" in [exchange["name"] for exchange in client.get_exchanges()]
    assert client.create_queue("/", "q/1", durable=True, arguments={"x-max-length": 10}) == 201
    assert client.get_queue("/", "q/1")["arguments"] == {"x-max-length": 10}
    for listed in (client.get_queues(), client.get_queues("/"), client.get_queues("/", "q/", regex=True)):
        assert [queue["name"] for queue in listed] == ["q/1"]
    assert client.create_binding("/", "e", "q/1", "a.*") == 201
    assert {"e", ""} == {binding["source"] for binding in client.get_queue_bindings("/", "q/1")}
    assert "e" in [binding["source"] for binding in client.get_bindings()]
    assert client.publish("/", "e", "a.b", "hello", properties={"delivery_mode": 2}) is True
    assert client.publish("/", "e", "nowhere", "hello") is False
    assert client.get_queue_depth("/", "q/1") == 1
    client.get_queue_depths("/")
    assert [one["payload"] for one in client.get_messages("/", "q/1", requeue=True)] == ["hello"]
    (taken,) = client.get_messages("/", "q/1", truncate=2)
    assert (taken["payload"], taken["redelivered"]) == ("he", True)
    assert client.purge_queue("/", "q/1") == 204
    assert client.purge_queues([("q/1", "/")])
    assert client.delete_binding("/", "e", "q/1", "a.%2A") == 204
    assert client.delete_queue("/", "q/1") == 204
    assert client.delete_exchange("/", "e")


def test_policies_and_shovels(client: Any) -> None:  # noqa: ANN401
    assert client.create_policy("/", "p", pattern="^q", definition={"max-length": 1}) == 201
    assert client.get_policy("/", "p")["definition"] == {"max-length": 1}
    assert [policy["name"] for policy in client.get_all_policies()] == ["p"]
    assert client.delete_policy("/", "p") == 204
    assert client.get_all_shovels() == []
    with pytest.raises(http.HTTPError, match="Validation failed"):
        client.create_shovel("/", "s", **{"src-uri": "amqp://"})
    ends = {"src-uri": "amqp://", "src-queue": "from", "dest-uri": "amqp://", "dest-queue": "to"}
    client.create_shovel("/", "s", **ends)
    assert client.get_shovel("/", "s")["value"] == ends
    assert [shovel["name"] for shovel in client.get_all_shovels()] == ["s"]
    client.delete_shovel("/", "s")
    assert client.get_all_shovels() == []
    until(lambda: not client.get_connections())


def test_connections_and_channels(client: Any, server: ManagedServer) -> None:  # noqa: ANN401
    connection = pika.BlockingConnection(pika.URLParameters(server.url))
    connection.channel()
    (name,) = [one["name"] for one in client.get_connections()]
    assert client.get_connection(name)["user"] == "guest"
    (channel,) = [one["name"] for one in client.get_channels()]
    assert client.get_channel(channel)["connection_details"]["name"] == name
    assert client.delete_connection(name)
    with pytest.raises(pika.exceptions.AMQPError):
        connection.channel()
    until(lambda: not client.get_connections())
