"""RabbitMQ's own rabbitmqadmin (the Python one of 3.x), unchanged."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.managed import ManagedServer

ADMIN = shutil.which("rabbitmqadmin")

pytestmark = pytest.mark.skipif(ADMIN is None, reason="rabbitmqadmin is not installed (Debian: rabbitmq-server)")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    with ManagedServer(tmp_path_factory.mktemp("rabbitmqadmin")) as server:
        yield server


@pytest.fixture
def admin(server: ManagedServer) -> Admin:
    return Admin(server.http_port)


class Admin:
    """Calls it. What it prints is what it says when all went well."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, *words: str, fails: bool = False) -> str:
        assert ADMIN is not None
        command = [ADMIN, "-H", "127.0.0.1", "-P", str(self._port), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        assert (done.returncode != 0) == fails, (words, done.stdout, done.stderr)
        return done.stderr if fails else done.stdout

    def listed(self, *words: str) -> Any:  # noqa: ANN401  (JSON)
        return json.loads(self("-f", "raw_json", *words))


def test_queues_exchanges_bindings_and_messages(admin: Admin) -> None:
    assert admin("declare", "queue", "name=q", "durable=true") == "queue declared\n"
    admin("declare", "queue", "name=quorum", "queue_type=quorum", 'arguments={"x-delivery-limit": 3}')
    admin("declare", "exchange", "name=e", "type=topic")
    admin("declare", "binding", "source=e", "destination=q", "routing_key=a.*")
    assert {queue["name"]: queue["type"] for queue in admin.listed("list", "queues")} == {
        "q": "classic",
        "quorum": "quorum",
    }
    assert "e" in [exchange["name"] for exchange in admin.listed("list", "exchanges")]
    (binding,) = [one for one in admin.listed("list", "bindings") if one["source"] == "e"]
    assert admin("publish", "exchange=e", "routing_key=a.b", "payload=hello") == "Message published\n"
    assert "NOT routed" in admin("publish", "exchange=e", "routing_key=nowhere", "payload=hello")
    assert [one["payload"] for one in admin.listed("get", "queue=q")] == ["hello"]
    (taken,) = admin.listed("get", "queue=q", "ackmode=ack_requeue_false")
    assert taken["redelivered"] is True
    admin("purge", "queue", "name=q")
    key = f"properties_key={binding['properties_key']}"
    admin("delete", "binding", "source=e", "destination_type=queue", "destination=q", key)
    for name in ("q", "quorum"):
        admin("delete", "queue", f"name={name}")
    admin("delete", "exchange", "name=e")
    assert "Not found" in admin("delete", "queue", "name=q", fails=True)
    assert "unknown exchange type" in admin("declare", "exchange", "name=e", "type=nonsense", fails=True)


def test_users_virtual_hosts_policies_and_limits(admin: Admin) -> None:
    admin("declare", "vhost", "name=v")
    admin("declare", "user", "name=u", "password=p", "tags=management")
    admin("declare", "permission", "vhost=v", "user=u", "configure=.*", "write=.*", "read=.*")
    definition = 'definition={"max-length":10}'
    admin("-V", "v", "declare", "policy", "name=p", "pattern=^q", definition, "apply-to=queues")
    admin("-V", "v", "declare", "operator_policy", "name=p", "pattern=^q", definition, "apply-to=queues")
    admin("declare", "vhost_limit", "vhost=v", "name=max-queues", "value=10")
    for listing in ("users", "vhosts", "permissions", "policies", "operator_policies", "vhost_limits"):
        assert admin.listed("list", listing)
    for listing in ("parameters", "connections", "nodes"):
        admin("list", listing)
    assert "Validation failed" in admin("declare", "parameter", "component=shovel", "name=s", "value={}", fails=True)
    ends = '{"src-uri":"amqp:///v","src-queue":"from","dest-uri":"amqp:///v","dest-queue":"to"}'
    admin("-V", "v", "declare", "parameter", "component=shovel", "name=s", f"value={ends}")
    assert admin.listed("-V", "v", "list", "parameters")
    admin("-V", "v", "delete", "parameter", "component=shovel", "name=s")
    as_user = ("-u", "u", "-p", "p", "-V", "v")
    admin(*as_user, "declare", "queue", "name=mine")
    assert "Access refused" in admin(*as_user, "declare", "user", "name=x", "password=x", "tags=", fails=True)
    assert "Access refused" in admin("-u", "u", "-p", "wrong", "list", "queues", fails=True)
    admin("delete", "vhost_limit", "vhost=v", "name=max-queues")
    admin("-V", "v", "delete", "policy", "name=p")
    admin("-V", "v", "delete", "operator_policy", "name=p")
    admin("delete", "permission", "vhost=v", "user=u")
    admin("delete", "user", "name=u")
    admin("delete", "vhost", "name=v")


def test_definitions_out_and_in(admin: Admin, server: ManagedServer, tmp_path: Path) -> None:
    admin("declare", "queue", "name=exported")
    file = str(tmp_path / "definitions.json")
    admin("export", file)
    admin("delete", "queue", "name=exported")
    admin("import", file)
    assert "exported" in server.server.broker.vhosts["/"].queues
    admin("-V", "/", "export", file)
    admin("-V", "/", "import", file)
    admin("delete", "queue", "name=exported")


def test_each_form_of_output(admin: Admin) -> None:
    assert "rabbitmq_version" in admin("show", "overview")
    for form in ("long", "table", "tsv"):
        assert "amq.topic" in admin("-f", form, "list", "exchanges")
