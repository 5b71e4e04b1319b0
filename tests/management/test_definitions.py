"""Definitions: those of real RabbitMQs taken, ours given and taken again, and what is wrong named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pika
import pytest
from tests.support.managed import Http, ManagedServer, a_config

from batonmq.server.config import Config, ServerConfig, UserConfig
from batonmq.server.failures import ConfigError

EXPORTS = Path(__file__).parent / "exports"
DEFINITIONS = "/api/definitions"
VERSIONS = ("3.10", "4.3")


def export(version: str, part: str = "") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXPORTS / f"rabbitmq-{version}{part}.json").read_text())
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ManagedServer]:
    """A server of its own, since definitions are of all of it."""
    with ManagedServer(tmp_path / "data") as server:
        yield server


def ordered(entries: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(entry, sort_keys=True) for entry in entries)


# ---------------------------------------------------------------------- RabbitMQ's own


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_real_rabbitmq_has_exported_is_taken(server: ManagedServer, version: str) -> None:
    given = export(version)
    http = server.http()
    answer = http("POST", f"{DEFINITIONS}?report=true", given)
    assert answer.status == 200, answer.body
    report = answer.json["report"]
    taken = server.http("guest", "guest").get(DEFINITIONS)
    # Users with their hashes as they came: each logs in with the password of before.
    for key in ("users", "permissions", "topic_permissions"):
        assert ordered(taken[key]) == ordered([without_order(entry) for entry in given[key]])
    for name, password in (("alice", "alice-password"), ("bob", "bob-password"), ("ümlaut user", "pässword")):
        assert server.http(name, password).get("/api/whoami")["name"] == name
    assert server.http("alice", "bob-password")("GET", "/api/whoami").status == 401
    assert ordered(taken["policies"]) == ordered(given["policies"])
    assert taken["global_parameters"] == sorted(given["global_parameters"], key=lambda one: str(one["name"]))
    orders = server.server.broker.vhosts["orders"]
    assert orders.limits == {"max-connections": 100, "max-queues": 50}
    assert orders.policies.find("caps", of_operator=True) is not None
    assert server.server.broker.vhosts["/"].queues["everything"].settings.max_priority == 10
    # What is left out is told, and nothing else is.
    assert any("queue 'stream' in vhost '/' is left out" in line for line in report)
    assert [one["name"] for one in taken["parameters"] if one["component"] == "shovel"] == ["moving"]
    assert any("'elsewhere' of component 'federation-upstream'" in line for line in report)
    without = {"queues": {"stream"}, "exchanges": {"amq.rabbitmq.log"}}
    for key, names in without.items():
        expected = {(one["vhost"], one["name"]) for one in given[key] if one["name"] not in names}
        assert {(one["vhost"], one["name"]) for one in taken[key]} == expected
    # RabbitMQ 4 exports a binding to an internal exchange, and not that exchange.
    left_out = {"stream"} if version == "3.10" else {"stream", "inside"}
    expected = {(one["source"], one["destination"]) for one in given["bindings"] if one["destination"] not in left_out}
    assert {(one["source"], one["destination"]) for one in taken["bindings"]} == expected
    assert any("there is no exchange 'inside'" in line for line in report) == (version == "4.3")


def without_order(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "tags": sorted(entry["tags"])} if "tags" in entry else entry


@pytest.mark.parametrize("version", VERSIONS)
def test_taking_them_again_changes_nothing(server: ManagedServer, version: str) -> None:
    http = server.http()
    first = http("POST", DEFINITIONS, export(version))
    assert first.status == 204
    assert json.loads(first.headers["batonmq-report"])
    taken = http.get(DEFINITIONS)
    queue = server.server.broker.vhosts["/"].queues["plain"]
    assert http("POST", DEFINITIONS, export(version)).status == 204
    assert http.get(DEFINITIONS) == taken
    assert server.server.broker.vhosts["/"].queues["plain"] is queue


@pytest.mark.parametrize("version", VERSIONS)
def test_the_definitions_of_one_virtual_host_go_into_another(server: ManagedServer, version: str) -> None:
    http = server.http()
    http("PUT", "/api/vhosts/copy", {})
    assert http("POST", f"{DEFINITIONS}/copy", export(version, "-orders")).status == 204
    copy = server.server.broker.vhosts["copy"]
    assert set(copy.queues) == {"in", "out"}
    assert len(copy.router.exchanges["events"].bindings) == 1
    assert copy.limits == {"max-connections": 100, "max-queues": 50}
    assert "orders" not in server.server.broker.vhosts
    assert http("POST", f"{DEFINITIONS}/nowhere", {}).status == 404


# ---------------------------------------------------------------------- ours


def test_what_is_exported_makes_another_broker_like_it(server: ManagedServer, tmp_path: Path) -> None:
    http = server.http()
    http("POST", DEFINITIONS, export("4.3"))
    http("PUT", "/api/users/ours", {"password": "our own", "tags": "administrator"})
    http("PUT", "/api/queues/orders/of-default-type", {"durable": True})
    exported = http("GET", f"{DEFINITIONS}?download=my%22file.json")
    assert exported.headers["content-disposition"] == 'attachment; filename="my_file.json"'
    with ManagedServer(tmp_path / "other") as other:
        client = other.http()
        assert client("POST", DEFINITIONS, exported.body).status == 204
        again = other.http("ours", "our own").get(DEFINITIONS)
    told = exported.json
    for key, value in told.items():
        if isinstance(value, list):
            assert ordered(again[key]) == ordered(value), key
    assert (told["product_name"], told["rabbit_version"][:1]) == ("BatonMQ", "4")
    assert {"guest", "ours", "alice"} <= {user["name"] for user in told["users"]}
    of_default_type = next(one for one in told["queues"] if one["name"] == "of-default-type")
    assert (of_default_type["type"], of_default_type["arguments"]) == ("quorum", {"x-queue-type": "quorum"})


def test_what_a_client_declares_with_void_arguments_is_exported_and_taken_again(
    server: ManagedServer, tmp_path: Path
) -> None:
    parts = ("queues", "exchanges", "bindings")
    arguments = {"x-note": None, "x-notes": [None, {"of": None}]}
    with pika.BlockingConnection(pika.URLParameters(server.url)) as connection:
        channel = connection.channel()
        channel.queue_declare("q", durable=True, arguments=arguments)
        channel.exchange_declare("e", "headers", durable=True, arguments=arguments)
        channel.queue_bind("q", "e", "", arguments)
    exported = server.http().get(DEFINITIONS)
    with ManagedServer(tmp_path / "other") as other:
        assert other.http()("POST", DEFINITIONS, exported).status == 204
        taken = other.http().get(DEFINITIONS)
    assert [taken[key] for key in parts] == [exported[key] for key in parts]
    again = server.http()("POST", f"{DEFINITIONS}?report=true", exported)
    assert (again.status, again.json["report"]) == (200, [])
    assert len(server.http().get(DEFINITIONS)["bindings"]) == 1


def test_arguments_that_json_cannot_tell_are_exported_exactly(server: ManagedServer, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"x-octets": b"\xff\x00", "x-price": Decimal("1.50"), "of": [{"more": b"ab"}]}
    with pika.BlockingConnection(pika.URLParameters(server.url)) as connection:
        channel = connection.channel()
        channel.queue_declare("q", durable=True, arguments=arguments)
        channel.queue_declare("plain", durable=True, arguments={"x-n": 1, "x-s": "s"})
        channel.exchange_declare("e", "headers", durable=True, arguments=arguments)
        channel.queue_bind("q", "e", "", arguments)
    exported = server.http().get(DEFINITIONS)
    assert ["amqp_arguments" in queue for queue in exported["queues"]] == [True, False]
    with ManagedServer(tmp_path / "other") as other:
        assert other.http()("POST", DEFINITIONS, exported).status == 204
        assert other.http().get(DEFINITIONS)["queues"] == exported["queues"]
        with pika.BlockingConnection(pika.URLParameters(other.url)) as connection:
            channel = connection.channel()
            channel.queue_declare("q", durable=True, arguments=arguments)
            for of in ([{"more": "YWI="}], [{"more": b"ab"}]):
                channel.basic_publish("e", "", repr(of).encode(), pika.BasicProperties(headers={"of": of}))
            bodies = [channel.basic_get("q", auto_ack=True)[2] for _ in range(2)]
            assert bodies == [b"[{'more': b'ab'}]", None]
    again = server.http()("POST", f"{DEFINITIONS}?report=true", exported)
    assert (again.status, again.json["report"]) == (200, [])


def test_who_changes_exported_arguments_is_heeded(server: ManagedServer, http: Http) -> None:
    with pika.BlockingConnection(pika.URLParameters(server.url)) as connection:
        connection.channel().queue_declare("q", durable=True, arguments={"x-octets": b"ab", "x-max-length": 5})
    exported = server.http().get(DEFINITIONS)
    (queue,) = exported["queues"]
    queue["arguments"]["x-max-length"] = 7
    assert http("POST", DEFINITIONS, exported).status == 204
    assert http.get("/api/queues/%2F/q")["arguments"] == {"x-octets": "YWI=", "x-max-length": 7}
    queue["amqp_arguments"] = "nonsense"
    refused = http("POST", DEFINITIONS, exported)
    assert (refused.status, refused.json["reason"]) == (
        400,
        "queues[0] (name 'q', vhost '/'): amqp_arguments is to be a table of AMQP 0-9-1 in base64",
    )


def test_what_is_not_exported(server: ManagedServer) -> None:
    http = server.http()
    told = http.get(DEFINITIONS)
    # The built-in guest is no definition, nor are the exchanges that every virtual host has.
    assert (told["users"], told["exchanges"], told["bindings"]) == ([], [], [])
    assert [vhost["name"] for vhost in told["vhosts"]] == ["/"]


def test_a_virtual_host_stays_protected(server: ManagedServer) -> None:
    http = server.http()
    http("PUT", "/api/vhosts/kept", {})
    # Without a word, nothing is exported, and nothing changes.
    unsaid = http.get(DEFINITIONS)
    assert all("protected_from_deletion" not in vhost["metadata"] for vhost in unsaid["vhosts"])
    http("POST", "/api/vhosts/kept/deletion/protection")
    exported = http.get(DEFINITIONS)
    (metadata,) = (vhost["metadata"] for vhost in exported["vhosts"] if vhost["name"] == "kept")
    assert metadata["protected_from_deletion"] is True
    assert http.get(f"{DEFINITIONS}/kept")["metadata"] == metadata
    assert http.get("/api/vhosts/kept")["metadata"] == metadata
    assert http("POST", DEFINITIONS, unsaid).status == 204
    assert http.get("/api/vhosts/kept")["protected_from_deletion"] is True
    metadata["protected_from_deletion"] = False
    assert http("POST", DEFINITIONS, exported).status == 204
    assert http("DELETE", "/api/vhosts/kept").status == 204
    metadata["protected_from_deletion"] = True
    assert http("POST", DEFINITIONS, exported).status == 204
    assert http("DELETE", "/api/vhosts/kept").status == 412


def test_what_json_cannot_name_is_left_out_with_a_word(server: ManagedServer, caplog: pytest.LogCaptureFixture) -> None:
    http = server.http()
    for name in ("%FF%FE", "here"):
        assert http("PUT", f"/api/queues/%2F/{name}", {"durable": True}).status == 201
    assert http("POST", "/api/bindings/%2F/e/amq.direct/q/%FF%FE", {"routing_key": "k"}).status == 201
    for path in (DEFINITIONS, DEFINITIONS + "/%2F"):
        caplog.clear()
        exported = http.get(path)
        assert [queue["name"] for queue in exported["queues"]] == ["here"]
        assert exported["bindings"] == []
        assert caplog.text.count("as JSON cannot name it: '\\udcff\\udcfe'") == 2


def test_one_virtual_host_is_exported_without_its_name(server: ManagedServer) -> None:
    http = server.http()
    http("POST", DEFINITIONS, export("4.3"))
    told = http.get(f"{DEFINITIONS}/orders")
    assert told["original_vhost_name"] == "orders"
    assert not any("vhost" in entry for value in told.values() if isinstance(value, list) for entry in value)
    given = export("4.3", "-orders")
    for key in ("queues", "exchanges", "bindings", "policies"):
        assert ordered(told[key]) == ordered(
            [{**one, "internal": False} if key == "exchanges" else one for one in given[key]]
        )
    assert http("GET", f"{DEFINITIONS}/nowhere").status == 404


def test_an_uploaded_file_is_taken(server: ManagedServer) -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n'
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="d.json"\r\n'
        b"Content-Type: application/json\r\n\r\n"
        b'{"vhosts":[{"name":"uploaded"}]}\r\n--B--\r\n'
    )
    http = server.http()
    form = {"content-type": "multipart/form-data; boundary=B"}
    assert http("POST", DEFINITIONS, body, form).status == 204
    assert "uploaded" in server.server.broker.vhosts
    for wrong, boundary in (
        (body.replace(b'"file"', b'"x"'), "B"),
        (body, "C"),
        (b"", "B"),
        (body[:150], "B"),
        (body, "B" * 100),
        (b"--B" * 10_000, "B"),
    ):
        header = {"content-type": f"multipart/form-data; boundary={boundary}"}
        assert http("POST", DEFINITIONS, wrong, header).status == 400


# ---------------------------------------------------------------------- what is wrong

GOOD: dict[str, list[dict[str, object]]] = {
    "vhosts": [{"name": "made"}],
    "users": [{"name": "made", "password_hash": "", "tags": ""}],
    "queues": [{"name": "made", "vhost": "made", "durable": True, "auto_delete": False, "arguments": {}}],
}


@pytest.mark.parametrize(
    ("section", "entry", "words"),
    [
        ("vhosts", {}, "vhosts[0]: [{key_missing,name}]"),
        ("vhosts", 7, "vhosts[0]: expected an object"),
        ("vhosts", {"name": "x", "limits": {"nonsense": 1}}, "vhost 'x'"),
        ("vhosts", {"name": "x", "metadata": {"default_queue_type": "stream"}}, "vhost 'x'"),
        ("users", {"name": "x"}, "users[0] (name 'x'): [{key_missing,tags}]"),
        ("users", {"name": "x", "tags": [], "password_hash": "bad!"}, "user 'x'"),
        ("users", {"name": "x", "tags": [], "limits": {"max-queues": 1}}, "user 'x'"),
        ("permissions", {"user": "x", "vhost": "/", "configure": "", "write": "", "read": ""}, "no user 'x'"),
        ("permissions", {"user": "guest", "vhost": "x", "configure": "", "write": "", "read": ""}, "no vhost 'x'"),
        (
            "permissions",
            {"user": "guest", "vhost": "/", "configure": "(", "write": "", "read": ""},
            "regular expression",
        ),
        ("topic_permissions", {"user": "guest", "vhost": "/", "exchange": "", "write": "(", "read": ""}, "topic"),
        ("policies", {"name": "p", "vhost": "/", "pattern": "(", "definition": {"max-length": 1}}, "policies[0]"),
        ("policies", {"name": "p", "vhost": "x", "pattern": "", "definition": {"max-length": 1}}, "no vhost 'x'"),
        ("policies", {"name": "p", "vhost": "/", "pattern": "", "definition": {}}, "policies[0]"),
        ("parameters", {"component": "operator_policy", "name": "p", "vhost": "/", "value": 7}, "parameters[0]"),
        ("global_parameters", {"name": "", "value": 1}, "global parameter '': the name of a parameter has 1 to 255"),
        ("exchanges", {"name": "x", "vhost": "/"}, "exchanges[0] (name 'x', vhost '/'): [{key_missing,type}]"),
        ("exchanges", {"name": "x", "type": "direct"}, "[{key_missing,vhost}]"),
        ("exchanges", {"name": "x", "vhost": "/", "type": "x-delayed-message"}, "exchange 'x' in vhost '/'"),
        ("queues", {"name": "x", "vhost": "nowhere"}, "queue 'x' in vhost 'nowhere': no vhost 'nowhere'"),
        ("queues", {"name": "x", "vhost": "/", "arguments": {"x-max-length": "a"}}, "queue 'x' in vhost '/'"),
        ("queues", {"name": "x", "vhost": "/", "durable": "perhaps"}, "queues[0]"),
        ("queues", {"name": "x" * 300, "vhost": "/"}, "queues[0]"),
        ("policies", {"name": "p", "vhost": "/", "pattern": "", "definition": {"expires": None}}, "null_not_allowed"),
        ("bindings", {"source": "x", "vhost": "/", "destination": "", "destination_type": "exchange"}, "bindings[0]"),
        ("bindings", {"source": "x", "vhost": "v", "destination": "q", "destination_type": "queue"}, "no vhost 'v'"),
        (
            "bindings",
            {
                "source": "amq.headers",
                "vhost": "/",
                "destination": "q",
                "destination_type": "queue",
                "arguments": {"x-match": "bogus"},
            },
            "binding from 'amq.headers' to queue 'q'",
        ),
        ("bindings", {"source": "x", "vhost": "/", "destination": "q", "destination_type": "x"}, "bindings[0]"),
    ],
)
def test_one_wrong_entry_is_named_and_nothing_is_changed(
    http: Http, managed: ManagedServer, section: str, entry: object, words: str
) -> None:
    broker = managed.server.broker
    before = broker.store.changes
    good: list[dict[str, object]] = GOOD.get(section, [])
    answer = http("POST", DEFINITIONS, {**GOOD, section: [entry, *good]})
    assert (answer.status, answer.json["error"]) == (400, "bad_request")
    assert words in answer.json["reason"]
    assert "made" not in broker.vhosts
    assert http("GET", "/api/users/made").status == 404
    assert broker.store.changes == before


@pytest.mark.parametrize("binds_by_weight", [True, False])
def test_of_two_exchanges_of_one_name_the_first_counts(
    http: Http, managed: ManagedServer, *, binds_by_weight: bool
) -> None:
    name = f"twice-{binds_by_weight}"
    kinds = ("x-consistent-hash", "topic") if binds_by_weight else ("topic", "x-consistent-hash")
    queue = {"name": name, "vhost": "/", "durable": True}
    binding = {"source": name, "destination": name, "destination_type": "queue", "routing_key": "a.b"}
    whole = {
        "exchanges": [{"name": name, "vhost": "/", "type": kind, "durable": True} for kind in kinds],
        "queues": [queue, {**queue, "arguments": {"x-max-length": 1}}],
        "bindings": [{**binding, "vhost": "/", "arguments": {}}],
    }
    vhost = managed.server.broker.vhosts["/"]
    answer = http("POST", DEFINITIONS, whole)
    if binds_by_weight:
        # Looked at with the exchange that would be made, and before it is.
        assert answer.status == 400
        assert vhost.router.exchange(name) is None
    else:
        assert answer.status in (200, 204)
        assert vhost.router.exchanges[name].kind == "topic"
        assert vhost.queues[name].arguments.get("x-max-length") is None


@pytest.mark.parametrize(
    "body", [b"{bad", b"", b"[]", b"null", b'{"users": 7}', b'{"queues": {}}', b'{"users":' + b"[" * 100_000]
)
def test_what_are_no_definitions(http: Http, body: bytes) -> None:
    assert http("POST", DEFINITIONS, body).status == 400


def test_nothing_at_all_is_taken_gladly(http: Http) -> None:
    assert http("POST", DEFINITIONS, {}).status == 204
    assert http("POST", DEFINITIONS, {"queues": [], "users": None}).status == 204


def test_what_is_there_with_other_options_stays(http: Http, managed: ManagedServer) -> None:
    http("PUT", "/api/queues/%2F/there", {"durable": True, "arguments": {"x-max-length": 5}})
    http("PUT", "/api/exchanges/%2F/there", {"type": "topic"})
    queue = {"name": "there", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {"x-max-length": 6}}
    exchange = {"name": "there", "vhost": "/", "type": "fanout", "durable": True}
    answer = http("POST", f"{DEFINITIONS}?report=true", {"queues": [queue], "exchanges": [exchange]})
    assert answer.json["report"] == [
        "exchange 'there' in vhost '/' is there with other options, and stays as it is",
        "queue 'there' in vhost '/' is there with other options, and stays as it is",
    ]
    assert managed.server.broker.vhosts["/"].queues["there"].settings.max_length == 5
    for path in ("queues", "exchanges"):
        http("DELETE", f"/api/{path}/%2F/there")


def test_bindings_of_what_is_not_there_are_left_out(http: Http) -> None:
    to_queue = {"vhost": "/", "destination": "nothing", "destination_type": "queue"}
    bindings = [{**to_queue, "source": source} for source in ("amq.topic", "nothing", "")]
    answer = http("POST", f"{DEFINITIONS}?report=true", {"bindings": bindings})
    assert [line.rpartition(": ")[2] for line in answer.json["report"]] == [
        "there is no queue 'nothing'",
        "there is no exchange 'nothing'",
    ]


def test_exchanges_of_a_type_that_is_not_here_are_left_out(http: Http, managed: ManagedServer) -> None:
    answer = http(
        "POST",
        f"{DEFINITIONS}?report=true",
        {"exchanges": [{"name": "recent", "vhost": "/", "type": "x-recent-history"}]},
    )
    (line,) = answer.json["report"]
    assert line.startswith(
        "exchange 'recent' in vhost '/' is left out: there are no exchanges of type 'x-recent-history'"
    )
    assert "recent" not in managed.server.broker.vhosts["/"].router.exchanges


def test_users_of_the_configuration_file_stay(http: Http, managed: ManagedServer) -> None:
    user = {"name": "a-monitoring", "password_hash": "", "tags": "administrator"}
    permission = {"user": "a-monitoring", "vhost": "/", "configure": "", "write": "", "read": ""}
    answer = http("POST", f"{DEFINITIONS}?report=true", {"users": [user], "permissions": [permission]})
    assert [line.partition(":")[0] for line in answer.json["report"]] == [
        "user 'a-monitoring' is left out",
        "permission of user 'a-monitoring' in vhost '/' is left out",
    ]
    assert managed.http("a-monitoring", "sesame").get("/api/whoami")["tags"] == ["monitoring"]


def test_queues_that_would_be_too_many(http: Http, managed: ManagedServer) -> None:
    queues = [{"name": f"q{number}", "vhost": "small"} for number in range(3)]
    answer = http("POST", DEFINITIONS, {"vhosts": [{"name": "small", "limits": {"max-queues": 2}}], "queues": queues})
    assert answer.json["reason"] == "vhost 'small': there would be 3 queues, and max-queues is 2"
    assert "small" not in managed.server.broker.vhosts


def test_ten_thousand_queues_hold_up_nobody(http: Http, managed: ManagedServer) -> None:
    queues = [{"name": f"many-{number}", "vhost": "many", "durable": False} for number in range(10_000)]
    assert http("POST", DEFINITIONS, {"vhosts": [{"name": "many"}], "queues": queues}).status == 204
    assert len(managed.server.broker.vhosts["many"].queues) == 10_000
    assert len(http.get(f"{DEFINITIONS}/many")["queues"]) == 10_000
    assert http("DELETE", "/api/vhosts/many").status == 204


# ---------------------------------------------------------------------- at the start


def starting_with(file: Path, **changes: Any) -> Config:  # noqa: ANN401  (tables of the configuration)
    return a_config(server=ServerConfig(log_level="warning", definitions=str(file)), **changes)


@pytest.mark.parametrize("version", VERSIONS)
def test_definitions_are_taken_at_each_start(tmp_path: Path, version: str) -> None:
    config = starting_with(EXPORTS / f"rabbitmq-{version}.json")
    for _ in range(2):
        with ManagedServer(tmp_path / "data", config) as server:
            assert server.http("alice", "alice-password").get("/api/whoami")["name"] == "alice"
            assert "in" in server.server.broker.vhosts["orders"].queues
    # What they made is kept without them.
    without = msgspec.structs.replace(config, server=ServerConfig(log_level="warning"))
    with ManagedServer(tmp_path / "data", without) as server:
        assert server.http("alice", "alice-password").get("/api/whoami")["name"] == "alice"
        assert "in" in server.server.broker.vhosts["orders"].queues


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        ("{bad", "the definitions: not JSON: JSON is malformed"),
        ("[" * 5000, "the definitions: nested deeper than 64 levels"),
        ('{"queues":[' + "[" * 900 + "]" * 900 + "]}", "the definitions: nested deeper than 64 levels"),
        ('{"queues":[{"name":"q","vhost":"nowhere"}]}', "queue 'q' in vhost 'nowhere': no vhost 'nowhere'"),
    ],
)
def test_definitions_that_cannot_be_taken_are_one_clear_error(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "definitions.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError) as caught, ManagedServer(tmp_path / "data", starting_with(file)):
        pass
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"server.definitions: {file}: ")


def test_users_of_the_configuration_file_come_before_definitions(tmp_path: Path) -> None:
    alice = UserConfig(name="alice", password="of the file", tags=("management",))
    config = starting_with(EXPORTS / "rabbitmq-4.3.json", user=(alice,))
    with ManagedServer(tmp_path / "data", config) as server:
        assert server.http("alice", "of the file").get("/api/whoami")["tags"] == ["management"]
        assert server.http("alice", "alice-password")("GET", "/api/whoami").status == 401
