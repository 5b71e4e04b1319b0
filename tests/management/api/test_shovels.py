"""Shovels over the HTTP API: RabbitMQ's requests, words and rights, and messages that are moved."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from proof.commands import runner
from tests.support.managed import Http, ManagedServer, a_config

import batonmq
from batonmq.cli import main
from batonmq.server.config import PermissionConfig, UserConfig, VhostConfig

USERS = (
    UserConfig(
        name="policies",
        password="sesame",
        tags=("policymaker",),
        permission=(PermissionConfig(configure="^mine", write="^mine", read="^mine"),),
    ),
    UserConfig(
        name="looks",
        password="sesame",
        tags=("monitoring",),
        permission=(PermissionConfig(configure="", write="", read=""),),
    ),
)
SET = "/api/parameters/shovel/%2F/"
STATUS = "/api/shovels/vhost/%2F/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    config = a_config(user=USERS, vhost=(VhostConfig(name="other"),))
    with ManagedServer(tmp_path_factory.mktemp("shovels"), config) as server:
        yield server


@pytest.fixture
def http(server: ManagedServer) -> Iterator[Http]:
    with Http(server.http_port) as client:
        yield client
        for one in client.get("/api/parameters/shovel"):
            client("DELETE", f"{SET}{one['name']}")


def ends(source: str = "from", target: str = "to") -> dict[str, object]:
    """Two queues of the broker itself."""
    return {"src-uri": "amqp://", "src-queue": source, "dest-uri": "amqp://", "dest-queue": target}


def put(http: Http, name: str, value: object) -> None:
    answer = http("PUT", SET + name, {"value": value})
    assert answer.status in (201, 204), answer.body


def wait_for(http: Http, name: str, is_right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    found: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        found = [one for one in http.get("/api/shovels/%2F") if one["name"] == name]
        if found and is_right(found[0]):
            return found[0]
    raise AssertionError(found)


def bodies(server: ManagedServer, queue: str, number: int) -> list[bytes]:
    with batonmq.connect(server.url) as mq, mq.receiver(queue, wait=20) as receiver:
        found = []
        for delivery in receiver:
            delivery.accept()
            found.append(delivery.body)
            if len(found) == number:
                break
        return found


def test_it_moves_messages_in_order(http: Http, server: ManagedServer) -> None:
    put(http, "first", ends("a1", "b1"))
    wait_for(http, "first", lambda one: one["state"] == "running")
    with batonmq.connect(server.url) as mq:
        mq.send_many("a1", [b"%d" % number for number in range(1000)])
    assert bodies(server, "b1", 1000) == [b"%d" % number for number in range(1000)]
    told = wait_for(http, "first", lambda one: one["forwarded"] == 1000)
    assert told == {
        "node": told["node"],
        "timestamp": told["timestamp"],
        "name": "first",
        "vhost": "/",
        "type": "dynamic",
        "state": "running",
        "restarts": 0,
        "moved": 1000,
        "pending": 0,
        "remaining": "unlimited",
        "remaining_unacked": "unlimited",
        "forwarded": 1000,
        "blocked_status": "running",
        "src_uri": "amqp://",
        "src_protocol": "amqp091",
        "dest_protocol": "amqp091",
        "dest_uri": "amqp://",
        "src_queue": "a1",
        "dest_queue": "b1",
    }


def test_it_ends_after_as_many_messages_as_there_were(http: Http, server: ManagedServer) -> None:
    with batonmq.connect(server.url) as mq:
        for queue in ("a2", "b2"):
            mq.declare(queue)
        mq.send_many("a2", [b"x"] * 5)
        put(http, "until", {**ends("a2", "b2"), "src-delete-after": "queue-length"})
        deadline = time.monotonic() + 20
        while http("GET", SET + "until").status != 404:
            assert time.monotonic() < deadline
        assert (mq.count("a2"), mq.count("b2")) == (0, 5)
    assert http("GET", STATUS + "until").status == 404


def test_exchanges_keys_and_headers(http: Http, server: ManagedServer) -> None:
    for queue in ("a3", "b3"):
        assert http("PUT", f"/api/queues/%2F/{queue}", {}).status == 201
    assert http("POST", "/api/bindings/%2F/e/amq.topic/q/b3", {"routing_key": "key.#"}).status == 201
    value = {
        "src-uri": "amqp://",
        "src-exchange": "amq.direct",
        "src-exchange-key": "key.one",
        "dest-uri": "amqp://",
        "dest-exchange": "amq.topic",
        "dest-add-forward-headers": True,
        "dest-add-timestamp-header": True,
        "dest-publish-properties": {"app_id": "shop"},
    }
    put(http, "exchanges", value)
    wait_for(http, "exchanges", lambda one: one["state"] == "running")
    message = {"properties": {}, "routing_key": "key.one", "payload": "x", "payload_encoding": "string"}
    assert http("POST", "/api/exchanges/%2F/amq.direct/publish", message).json == {"routed": True}
    with batonmq.connect(server.url) as mq, mq.receiver("b3") as receiver:
        (delivery,) = receiver.receive(wait=20)
        delivery.accept()
    properties = delivery.message.properties
    headers = delivery.message.headers
    assert properties.app_id == "shop"
    (mark,) = cast("list[dict[str, object]]", headers["x-shovelled"])
    assert (mark["shovel-name"], mark["shovel-vhost"], mark["shovel-type"]) == ("exchanges", "/", "dynamic")
    assert isinstance(headers["x-shovelled-timestamp"], int)


def test_what_cannot_be_reached_is_told_without_its_password(
    http: Http, server: ManagedServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"amqp://guest:not-the-password@127.0.0.1:{server.port}/"
    put(http, "refused", {**ends("a4"), "dest-uri": url, "reconnect-delay": 0})
    told = wait_for(http, "refused", lambda one: one["state"] == "terminated")
    assert "refused" in told["reason"]
    with server.http("looks", "sesame") as looks:
        shown = looks.get(STATUS + "refused")
        assert shown["value"]["dest-uri"] == f"amqp://127.0.0.1:{server.port}/"
        for path in ("/api/shovels", "/api/shovels/%2F", STATUS + "refused"):
            assert b"not-the-password" not in looks("GET", path).body
        assert looks("GET", SET + "refused").status == 401
    assert "not-the-password" not in caplog.text
    # Who may set it may read it, as in RabbitMQ.
    assert http.get(SET + "refused")["value"]["dest-uri"] == url


def test_it_comes_back_when_the_other_side_does(http: Http, server: ManagedServer, tmp_path: Path) -> None:
    other = ManagedServer(tmp_path)
    other.start()
    port = other.port
    try:
        put(http, "far", {**ends("a5", "b5"), "dest-uri": other.url, "reconnect-delay": 0.1})
        wait_for(http, "far", lambda one: one["state"] == "running")
        for connection in other.http().get("/api/connections"):
            assert other.http()("DELETE", f"/api/connections/{connection['name'].replace(' ', '%20')}").status == 204
        with batonmq.connect(server.url) as mq:
            mq.send_many("a5", [b"1", b"2", b"3"])
        assert set(bodies(other, "b5", 3)) == {b"1", b"2", b"3"}
        assert port
    finally:
        other.stop()
    wait_for(http, "far", lambda one: one["state"] == "terminated" or one["restarts"] > 0 or one["state"] == "running")


def test_it_is_restarted_and_deleted(http: Http) -> None:
    assert http("DELETE", STATUS + "nothing/restart").status == 404
    assert http("DELETE", STATUS + "nothing").status == 404
    put(http, "again", ends("a6", "b6"))
    first = wait_for(http, "again", lambda one: one["state"] == "running")
    assert http("DELETE", STATUS + "again/restart").status == 204
    assert wait_for(http, "again", lambda one: one["state"] == "running")["timestamp"] >= first["timestamp"]
    assert http("DELETE", STATUS + "again").status == 204
    assert http.get("/api/shovels") == []
    assert http("GET", SET + "again").status == 404


def test_nobody_moves_what_he_may_not_read_or_write(server: ManagedServer, http: Http) -> None:
    with server.http("policies", "sesame") as policies:
        for value, said in (
            (ends("mine", "theirs"), "write access to queue 'theirs'"),
            (ends("theirs", "mine"), "read access to queue 'theirs'"),
            ({**ends("mine", "mine2"), "src-uri": "amqp:///other"}, 'user "policies" may not connect to vhost "other"'),
            (
                {"src-uri": "amqp://", "src-exchange": "amq.topic", "dest-uri": "amqp://", "dest-queue": "mine"},
                "read access",
            ),
            (
                {"src-uri": "amqp://", "src-queue": "mine", "dest-uri": "amqp://"},
                "write access to exchange 'amq.default'",
            ),
        ):
            answer = policies("PUT", SET + "no", {"value": value})
            assert answer.status == 401, answer.body
            assert said in answer.json["reason"]
        assert policies("PUT", SET + "yes", {"value": ends("mine", "mine2")}).status == 201
        assert policies("GET", "/api/shovels").status == 401
        assert policies("DELETE", STATUS + "yes").status == 204


def test_shovels_are_exported_imported_and_begin_with_the_broker(tmp_path: Path) -> None:
    with ManagedServer(tmp_path) as server, server.http() as http:
        put(http, "kept", ends("a7", "b7"))
        (exported,) = http.get("/api/definitions")["parameters"]
        assert exported["component"] == "shovel"
        bad = {**exported, "name": "bad", "value": {}}
        report = http("POST", "/api/definitions?report=true", {"parameters": [exported, bad]}).json["report"]
        assert any("parameter 'bad'" in line and "src-uri" in line for line in report)
    with ManagedServer(tmp_path) as server, server.http() as http:
        wait_for(http, "kept", lambda one: one["state"] == "running")
        with batonmq.connect(server.url) as mq:
            mq.send("a7", b"after the restart")
        assert bodies(server, "b7", 1) == [b"after the restart"]
        shown = {one["name"] for one in http.get("/api/users")}
        assert shown == {"guest"}


def test_metrics_tell_how_they_go(http: Http, server: ManagedServer) -> None:
    put(http, "measured", ends("a8", "b8"))
    wait_for(http, "measured", lambda one: one["state"] == "running")
    with batonmq.connect(server.url) as mq:
        mq.send_many("a8", [b"x"] * 3)
    wait_for(http, "measured", lambda one: one["forwarded"] == 3)
    for path in ("/metrics", "/metrics/per-object"):
        text = http("GET", path).body.decode()
        assert '\nrabbitmq_shovel_dynamic{status="running"} 1' in text
        assert '\nbatonmq_shovel_forwarded_total{shovel="measured",vhost="/"} 3' in text
    detailed = http("GET", "/metrics/detailed?family=shovel_metrics").body.decode()
    assert 'batonmq_detailed_shovel_running{shovel="measured",vhost="/"} 1' in detailed


def test_the_command_lists_them(http: Http, server: ManagedServer) -> None:
    put(http, "listed", ends("a9", "b9"))
    wait_for(http, "listed", lambda one: one["state"] == "running")
    url = f"http://guest:guest@127.0.0.1:{server.http_port}"
    done = runner().invoke(main, ["--url", url, "shovels"])
    assert done.exit_code == 0, done.output
    assert [line.split()[:7] for line in done.stdout.splitlines() if line.startswith("listed")] == [
        ["listed", "/", "running", "amqp://", "a9", "amqp://", "b9"]
    ]
    done = runner().invoke(main, ["--url", url, "shovels", "--vhost", "/", "--json"])
    assert [one["name"] for one in json.loads(done.stdout)] == ["listed"]
