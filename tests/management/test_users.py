"""Users, their permissions and their limits, changed over HTTP."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from pika.exceptions import ProbableAccessDeniedError
from tests.support.managed import Http, ManagedServer

USERS = "/api/users"
# RabbitMQ's hash of "test12": four octets of salt, and SHA-256.
IMPORTED = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


@pytest.fixture
def user(http: Http) -> Iterator[Http]:
    """A client, and the user "made" with the password "secret"."""
    assert http("PUT", f"{USERS}/made", {"password": "secret", "tags": "management"}).status == 201
    yield http
    http("DELETE", f"{USERS}/made")


def logs_in(managed: ManagedServer, name: str, password: str) -> bool:
    return managed.http(name, password)("GET", "/api/whoami").status == 200


def test_a_user_is_made_changed_and_deleted(http: Http, managed: ManagedServer) -> None:
    assert http("PUT", f"{USERS}/new", {"password": "one", "tags": ["management", "monitoring"]}).status == 201
    shown = http.get(f"{USERS}/new")
    assert (shown["name"], shown["tags"], shown["limits"]) == ("new", ["management", "monitoring"], {})
    assert shown["hashing_algorithm"] == "batonmq_scrypt"
    # In base64, as RabbitMQ refuses definitions with anything else.
    assert base64.b64decode(shown["password_hash"], validate=True).startswith(b"scrypt$")
    assert shown in http.get(USERS)
    assert shown in http.get(f"{USERS}/without-permissions")
    assert logs_in(managed, "new", "one")
    assert http("PUT", f"{USERS}/new", {"password": "two", "tags": "management"}).status == 204
    assert not logs_in(managed, "new", "one")
    assert logs_in(managed, "new", "two")
    # The hash that is shown can be given back, and a change without a password leaves it.
    shown = http.get(f"{USERS}/new")
    body = {name: shown[name] for name in ("password_hash", "hashing_algorithm", "tags")}
    assert http("PUT", f"{USERS}/new", body).status == 204
    assert http("PUT", f"{USERS}/new", {"tags": "administrator"}).status == 204
    assert logs_in(managed, "new", "two")
    assert http("DELETE", f"{USERS}/new").status == 204
    assert not logs_in(managed, "new", "two")
    for method in ("GET", "DELETE"):
        assert http(method, f"{USERS}/new").status == 404


def test_a_hash_that_rabbitmq_has_made(http: Http, managed: ManagedServer) -> None:
    body: dict[str, object] = {"password_hash": IMPORTED, "tags": "management"}
    assert http("PUT", f"{USERS}/imported", body).status == 201
    assert http.get(f"{USERS}/imported")["hashing_algorithm"] == "rabbit_password_hashing_sha256"
    assert logs_in(managed, "imported", "test12")
    assert not logs_in(managed, "imported", "test13")
    made = http.get("/api/auth/hash_password/other%20one")["ok"]
    assert http("PUT", f"{USERS}/imported", {"password_hash": made, "tags": "management"}).status == 204
    assert logs_in(managed, "imported", "other one")
    assert http("PUT", f"{USERS}/imported", {"password_hash": "", "tags": "management"}).status == 204
    assert not logs_in(managed, "imported", "")
    http("DELETE", f"{USERS}/imported")


@pytest.mark.parametrize(
    "body",
    [
        {"password": "x"},
        {"password": 7, "tags": ""},
        {"password": "x", "tags": 7},
        {"password": "x", "tags": ["a", 3]},
        {"password_hash": "bad!", "tags": ""},
        {"password_hash": "c2hvcnQ=", "tags": ""},
        {"password_hash": IMPORTED, "hashing_algorithm": "nonsense", "tags": ""},
        {"password_hash": IMPORTED, "hashing_algorithm": "rabbit_password_hashing_sha512", "tags": ""},
        {"password": "x", "tags": "x" * 300},
        [],
    ],
)
def test_a_wrong_user_is_not_made(http: Http, body: object) -> None:
    assert http("PUT", f"{USERS}/bad", body).status == 400
    assert http("GET", f"{USERS}/bad").status == 404


def test_users_of_the_configuration_are_changed_there(http: Http) -> None:
    answer = http("PUT", f"{USERS}/a-monitoring", {"password": "x", "tags": ""})
    assert (answer.status, answer.json["error"]) == (400, "bad_request")
    assert "configuration file" in answer.json["reason"]
    assert http("DELETE", f"{USERS}/a-monitoring").status == 400
    assert http("POST", f"{USERS}/bulk-delete", {"users": ["nobody-there", "a-monitoring"]}).status == 400


def test_several_are_deleted_together_or_none(http: Http) -> None:
    for name in ("first", "second"):
        http("PUT", f"{USERS}/{name}", {"password": "x", "tags": ""})
    assert http("POST", f"{USERS}/bulk-delete", {"users": ["first", "a-monitoring"]}).status == 400
    assert http("GET", f"{USERS}/first").status == 200
    for body in ({}, {"users": "first"}, {"users": [1]}):
        assert http("POST", f"{USERS}/bulk-delete", body).status == 400
    assert http("POST", f"{USERS}/bulk-delete", {"users": ["first", "second", "not there"]}).status == 204
    assert [http("GET", f"{USERS}/{name}").status for name in ("first", "second")] == [404, 404]


# ---------------------------------------------------------------------- permissions


def amqp(managed: ManagedServer, name: str = "made", password: str = "secret") -> pika.BlockingConnection:
    credentials = pika.PlainCredentials(name, password)
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", managed.port, "/", credentials))


def test_a_permission_counts_at_once(user: Http, managed: ManagedServer) -> None:
    path = "/api/permissions/%2F/made"
    with pytest.raises(ProbableAccessDeniedError):
        amqp(managed)
    assert user("PUT", path, {"configure": "^made-", "write": ".*", "read": ".*"}).status == 201
    with amqp(managed) as connection:
        channel = connection.channel()
        channel.queue_declare("made-1", auto_delete=True)
        assert user("PUT", path, {"configure": "", "write": "", "read": ""}).status == 204
        with pytest.raises(pika.exceptions.ChannelClosedByBroker):
            channel.queue_declare("made-2", auto_delete=True)
    shown = {"user": "made", "vhost": "/", "configure": "", "write": "", "read": ""}
    assert user.get(path) == shown
    for listed in ("/api/permissions", f"{USERS}/made/permissions", "/api/vhosts/%2F/permissions"):
        assert shown in user.get(listed)
    assert user("DELETE", path).status == 204
    for method in ("GET", "DELETE"):
        assert user(method, path).status == 404
    user("DELETE", "/api/queues/%2F/made-1")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("%2F/made", {"configure": ""}, 400),
        ("%2F/made", {"configure": "(", "write": "", "read": ""}, 400),
        ("%2F/made", {"configure": 1, "write": "", "read": ""}, 400),
        ("%2F/nobody", {"configure": "", "write": "", "read": ""}, 400),
        ("nowhere/made", {"configure": "", "write": "", "read": ""}, 400),
    ],
)
def test_wrong_permissions(user: Http, path: str, body: object, status: int) -> None:
    assert user("PUT", f"/api/permissions/{path}", body).status == status
    assert user.get(f"{USERS}/made/permissions") == []


def test_topic_permissions(user: Http, managed: ManagedServer) -> None:
    path = "/api/topic-permissions/%2F/made"
    user("PUT", "/api/permissions/%2F/made", {"configure": ".*", "write": ".*", "read": ".*"})
    assert user("PUT", path, {"exchange": "amq.topic", "write": "^eu", "read": ".*"}).status == 201
    assert user("PUT", path, {"exchange": "amq.topic", "write": "^eu\\.", "read": ".*"}).status == 204
    message = {"properties": {}, "payload": "x", "payload_encoding": "string"}
    made = managed.http("made", "secret")
    publish = "/api/exchanges/%2F/amq.topic/publish"
    assert made("POST", publish, {**message, "routing_key": "eu.fr"}).status == 200
    assert made("POST", publish, {**message, "routing_key": "us.ny"}).status == 401
    # Copies to other keys need the right to these, too.
    copied = {**message, "routing_key": "eu.fr", "properties": {"headers": {"CC": ["us.ny"]}}}
    assert made("POST", publish, copied).status == 401
    shown = {"user": "made", "vhost": "/", "exchange": "amq.topic", "write": "^eu\\.", "read": ".*"}
    assert user.get(path) == [shown]
    for listed in ("/api/topic-permissions", f"{USERS}/made/topic-permissions", "/api/vhosts/%2F/topic-permissions"):
        assert shown in user.get(listed)
    assert user("PUT", path, {"write": "", "read": ""}).status == 400
    assert user("PUT", path, {"exchange": "", "write": "(", "read": ""}).status == 400
    refused = user("PUT", path, {"exchange": "none", "write": "", "read": ""})
    assert (refused.status, refused.json["reason"]) == (400, "no_such_exchange: none")
    assert user("DELETE", f"{path}/nothing").status == 404
    assert user("DELETE", f"{path}/amq.topic").status == 204
    for method in ("GET", "DELETE"):
        assert user(method, path).status == 404


def test_limits_of_users(user: Http, managed: ManagedServer) -> None:
    limits = "/api/user-limits"
    user("PUT", "/api/permissions/%2F/made", {"configure": "", "write": "", "read": ""})
    assert user("PUT", f"{limits}/made/max-connections", {"value": 1}).status == 204
    with amqp(managed), pytest.raises(pika.exceptions.AMQPConnectionError):
        amqp(managed)
    assert user("PUT", f"{limits}/made/max-channels", {"value": -1}).status == 204
    expected = {"user": "made", "value": {"max-connections": 1, "max-channels": -1}}
    assert user.get(f"{limits}/made") == [expected]
    assert expected in user.get(limits)
    for name, body in (("nonsense", {"value": 1}), ("max-channels", {"value": "x"}), ("max-channels", {})):
        assert user("PUT", f"{limits}/made/{name}", body).status == 400
    assert user("PUT", f"{limits}/nobody/max-channels", {"value": 1}).status == 400
    for _ in range(2):
        assert user("DELETE", f"{limits}/made/max-channels").status == 204
    assert user("GET", f"{limits}/nobody").status == 404


def test_who_makes_a_virtual_host_may_use_it(http: Http, managed: ManagedServer) -> None:
    http("PUT", f"{USERS}/maker", {"password": "secret", "tags": "administrator"})
    maker = managed.http("maker", "secret")
    assert maker("PUT", "/api/vhosts/of-maker", {}).status == 201
    assert maker("PUT", "/api/queues/of-maker/q", {}).status == 201
    assert maker("DELETE", "/api/vhosts/of-maker").status == 204
    assert http.get(f"{USERS}/maker/permissions") == []
    http("DELETE", f"{USERS}/maker")


def test_only_administrators_see_users(managed: ManagedServer) -> None:
    paths: tuple[tuple[str, str, Any], ...] = (
        ("GET", USERS, None),
        ("GET", f"{USERS}/guest", None),
        ("PUT", f"{USERS}/mine", {"password": "x", "tags": "administrator"}),
        ("DELETE", f"{USERS}/guest", None),
        ("POST", f"{USERS}/bulk-delete", {"users": ["guest"]}),
        ("PUT", "/api/permissions/other/a-monitoring", {"configure": "", "write": "", "read": ""}),
        ("GET", "/api/definitions", None),
        ("POST", "/api/definitions", {}),
        ("GET", "/api/auth/hash_password/x", None),
    )
    for name in ("a-nobody", "a-management", "a-policymaker", "a-monitoring"):
        client = managed.http(name, "sesame")
        assert [client(*path).status for path in paths] == [401] * len(paths)


def test_rabbitmqs_form(managed: ManagedServer) -> None:
    with Http(managed.http_port, None) as http:
        form = {"content-type": "application/x-www-form-urlencoded"}
        answer = http("POST", "/api/login", b"username=guest&password=guest", form)
        assert answer.status == 200
        assert answer.json["user"]["name"] == "guest"
        assert answer.json["token"] == {"type": "basic", "value": "Z3Vlc3Q6Z3Vlc3Q="}
        assert "set-cookie" not in answer.headers
        for body in (b"username=guest&password=wrong", b"x", b"", b"username=a-nobody&password=sesame"):
            assert http("POST", "/api/login", body, form).status == 401
        assert http("POST", "/api/login", b"a=1&" * 1000, form).status == 400
