"""Queues, exchanges and bindings, changed over HTTP: RabbitMQ's status codes and words."""

from __future__ import annotations

from urllib.parse import quote

import pika
import pytest
from tests.support.managed import Http, ManagedServer

Q, E, B = "/api/queues/%2F", "/api/exchanges/%2F", "/api/bindings/%2F"


def reason(answer: object) -> str:
    return str(answer.json["reason"])  # type: ignore[attr-defined]


# ---------------------------------------------------------------------- queues


def test_a_queue_is_new_once_and_the_same_afterwards(http: Http, managed: ManagedServer) -> None:
    body = {"durable": True, "auto_delete": "false", "arguments": {"x-max-length": 10, "x-queue-type": "classic"}}
    assert http("PUT", f"{Q}/declared", body).status == 201
    assert http("PUT", f"{Q}/declared", body).status == 204
    queue = managed.server.broker.vhosts["/"].queues["declared"]
    assert (queue.durable, queue.auto_delete, queue.settings.max_length) == (True, False, 10)
    assert http("DELETE", f"{Q}/declared").status == 204
    assert http("DELETE", f"{Q}/declared").json == {"error": "Object Not Found", "reason": "Not Found"}


def test_a_queue_without_a_body_is_one_with_the_defaults(http: Http, managed: ManagedServer) -> None:
    assert http("PUT", f"{Q}/bare", b"").status == 201
    assert not managed.server.broker.vhosts["/"].queues["bare"].durable
    http("DELETE", f"{Q}/bare")


def test_names_are_percent_encoded(http: Http, managed: ManagedServer) -> None:
    name = "a/b c%é~"
    assert http("PUT", f"{Q}/{quote(name, safe='')}", {}).status == 201
    assert name in managed.server.broker.vhosts["/"].queues
    assert http("DELETE", f"{Q}/{quote(name, safe='')}").status == 204


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{nojson", ""),
        ([1], ""),
        ({"durable": "yes"}, "not_boolean"),
        ({"durable": 1}, "not_boolean"),
        ({"arguments": 7}, "arguments"),
        ({"arguments": {"a": None}}, "null_not_allowed"),
        ({"arguments": {"a": [1, {"b": None}]}}, "null_not_allowed"),
        ({"arguments": {"a": 2**70}}, "arguments"),
        ({"arguments": {"x" * 300: 1}}, "arguments"),
        ({"arguments": {"x-max-length": "a"}}, "invalid arg 'x-max-length' for queue 'bad' in vhost '/'"),
        ({"arguments": {"x-message-ttl": -1}}, "{value_negative,-1}"),
        ({"arguments": {"x-queue-type": "quorum"}}, "invalid property 'non-durable' for queue 'bad'"),
        ({"node": "nowhere"}, "Node nowhere"),
    ],
)
def test_a_wrong_queue_is_refused_and_nothing_is_made(
    http: Http, managed: ManagedServer, body: object, words: str
) -> None:
    answer = http("PUT", f"{Q}/bad", body)
    assert (answer.status, answer.json["error"]) == (400, "bad_request")
    assert words in reason(answer)
    assert "bad" not in managed.server.broker.vhosts["/"].queues


def test_deep_arguments_are_refused(http: Http) -> None:
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    assert http("PUT", f"{Q}/deep", {"arguments": {"a": deep}}).status == 400
    assert http("PUT", f"{Q}/deep", b'{"arguments":' + b'{"a":' * 40_000 + b"1" + b"}" * 40_001).status == 400


def test_a_queue_that_is_there_with_other_options_is_refused_in_the_brokers_words(http: Http) -> None:
    http("PUT", f"{Q}/other", {"durable": True})
    answer = http("PUT", f"{Q}/other", {"durable": False})
    assert answer.status == 400
    assert (
        reason(answer)
        == "inequivalent arg 'durable' for queue 'other' in vhost '/': received 'false' but current is 'true'"
    )
    http("DELETE", f"{Q}/other")


def test_names_that_are_reserved_or_too_long(http: Http) -> None:
    assert http("PUT", f"{Q}/amq.mine", {}).status == 401
    assert http("PUT", f"{Q}/{'x' * 300}", {}).status == 400
    assert http("PUT", "/api/queues/nope/q", {}).status == 404
    assert http("POST", f"{Q}/x", {}).status == 405


def test_if_empty_and_if_unused(http: Http, managed: ManagedServer) -> None:
    http("PUT", f"{Q}/kept", {"durable": True})
    with pika.BlockingConnection(pika.URLParameters(managed.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", "kept", b"x")
        answer = http("DELETE", f"{Q}/kept?if-empty=true")
        assert (answer.status, reason(answer)) == (400, "queue 'kept' in vhost '/' not empty")
        assert http("DELETE", f"{Q}/kept/contents").status == 204
        channel.basic_consume("kept", lambda *_: None)
        answer = http("DELETE", f"{Q}/kept?if-unused=true&if-empty=true")
        assert (answer.status, reason(answer)) == (400, "queue 'kept' in vhost '/' in use")
    assert http("DELETE", f"{Q}/kept?if-unused=true&if-empty=true").status == 204
    assert http("DELETE", f"{Q}/kept/contents").status == 404


def test_a_queue_of_a_connection_is_locked(http: Http, managed: ManagedServer) -> None:
    with pika.BlockingConnection(pika.URLParameters(managed.url)) as connection:
        connection.channel().queue_declare("mine", exclusive=True)
        for method, path in (("DELETE", f"{Q}/mine"), ("DELETE", f"{Q}/mine/contents"), ("PUT", f"{Q}/mine")):
            answer = http(method, path)
            assert answer.status == 400
            assert "exclusive access" in reason(answer)


def test_actions_about_mirrors_are_accepted(http: Http) -> None:
    http("PUT", f"{Q}/acting", {})
    assert [http("POST", f"{Q}/acting/actions", {"action": action}).status for action in ("sync", "cancel_sync")] == [
        204,
        204,
    ]
    assert http("POST", f"{Q}/acting/actions", {"action": "explode"}).status == 400
    assert reason(http("POST", f"{Q}/acting/actions", {})) == "[{key_missing,action}]"
    assert http("POST", f"{Q}/nowhere/actions", {"action": "sync"}).status == 404
    http("DELETE", f"{Q}/acting")


def test_rights_are_those_of_the_user(managed: ManagedServer) -> None:
    nobody, manager = managed.http("a-nobody", "sesame"), managed.http("a-management", "sesame")
    assert nobody("PUT", f"{Q}/theirs", {}).status == 401
    assert manager("PUT", f"{Q}/theirs", {}).status == 201
    assert manager("PUT", "/api/queues/other/theirs", {}).status == 401
    assert manager("DELETE", f"{Q}/theirs").status == 204


# ---------------------------------------------------------------------- exchanges


def test_exchanges_are_made_and_deleted(http: Http, managed: ManagedServer) -> None:
    body = {"type": "fanout", "auto_delete": True, "internal": True, "arguments": {"alternate-exchange": "amq.fanout"}}
    assert http("PUT", f"{E}/made", body).status == 201
    assert http("PUT", f"{E}/made", body).status == 204
    exchange = managed.server.broker.vhosts["/"].router.exchanges["made"]
    assert (exchange.kind, exchange.auto_delete, exchange.internal, exchange.alternate) == (
        "fanout",
        True,
        True,
        "amq.fanout",
    )
    answer = http("PUT", f"{E}/made", {"type": "direct"})
    assert "inequivalent arg 'type' for exchange 'made'" in reason(answer)
    assert http("DELETE", f"{E}/made").status == 204
    assert http("DELETE", f"{E}/made").status == 404


@pytest.mark.parametrize(
    ("method", "name", "body", "status"),
    [
        ("PUT", "bad", {"type": "nonsense"}, 400),
        ("PUT", "bad", {"type": ["x"]}, 400),
        ("PUT", "bad", {"arguments": {"alternate-exchange": 7}}, 400),
        ("PUT", "amq.mine", {"type": "topic"}, 401),
        ("PUT", "batonmq.management", {"type": "topic"}, 401),
        ("PUT", "amq.default", {"type": "direct"}, 401),
        ("DELETE", "amq.topic", None, 401),
        ("DELETE", "amq.default", None, 401),
        ("DELETE", "batonmq.management", None, 401),
    ],
)
def test_wrong_exchanges_are_refused(
    http: Http, managed: ManagedServer, method: str, name: str, body: object, status: int
) -> None:
    before = set(managed.server.broker.vhosts["/"].router.exchanges)
    assert http(method, f"{E}/{name}", body).status == status
    assert set(managed.server.broker.vhosts["/"].router.exchanges) == before


# ---------------------------------------------------------------------- bindings


@pytest.fixture
def ends(http: Http) -> None:
    http("PUT", f"{E}/source", {"type": "topic"})
    http("PUT", f"{E}/behind", {"type": "topic"})
    http("PUT", f"{Q}/bound", {})


@pytest.mark.usefixtures("ends")
@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"routing_key": "a.*"}, "bound/a.%252A"),
        ({}, "bound/~"),
        (None, "bound/~"),
        ({"routing_key": "~x~/ %é"}, "bound/%257Ex%257E%252F%2B%2525%25C3%25A9"),
    ],
)
def test_a_binding_is_where_its_location_says(http: Http, managed: ManagedServer, body: object, location: str) -> None:
    answer = http("POST", f"{B}/e/source/q/bound", body)
    assert (answer.status, answer.headers["location"]) == (201, location)
    assert http("POST", f"{B}/e/source/q/bound", body).headers["location"] == location
    router = managed.server.broker.vhosts["/"].router
    assert len(router.exchanges["source"].bindings) == 1
    assert http("DELETE", f"{B}/e/source/q/{location}").status == 204
    assert not router.exchanges["source"].bindings
    assert http("DELETE", f"{B}/e/source/q/{location}").status == 404


@pytest.mark.usefixtures("ends")
def test_bindings_with_arguments_have_names_of_their_own(http: Http, managed: ManagedServer) -> None:
    bodies = [
        {"routing_key": "k", "arguments": arguments} for arguments in ({}, {"x": 1}, {"x": "1"}, {"y": 1, "x": 1})
    ]
    locations = [http("POST", f"{B}/e/source/q/bound", body).headers["location"] for body in bodies]
    assert len(set(locations)) == 4
    same = http("POST", f"{B}/e/source/q/bound", {"routing_key": "k", "arguments": {"x": 1, "y": 1}})
    assert same.headers["location"] == locations[3]
    for left, location in zip((3, 2, 1, 0), locations, strict=True):
        assert http("DELETE", f"{B}/e/source/q/{location}").status == 204
        assert len(managed.server.broker.vhosts["/"].router.exchanges["source"].bindings) == left


@pytest.mark.usefixtures("ends")
def test_exchanges_are_bound_to_exchanges(http: Http, managed: ManagedServer) -> None:
    answer = http("POST", f"{B}/e/source/e/behind", {"routing_key": "#"})
    assert (answer.status, answer.headers["location"]) == (201, "behind/%2523")
    # Both forms are found: clients disagree on how often a key is encoded.
    assert http("DELETE", f"{B}/e/source/e/behind/%23").status == 204
    assert not managed.server.broker.vhosts["/"].router.exchanges["source"].bindings


@pytest.mark.usefixtures("ends")
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("e/nope/q/bound", {}, 404),
        ("e/source/q/nope", {}, 404),
        ("e/source/x/bound", {}, 404),
        ("e/amq.default/q/bound", {"routing_key": "bound"}, 401),
        ("e/source/q/bound", {"routing_key": ["x"]}, 400),
        ("e/source/q/bound", {"routing_key": "x" * 300}, 400),
        ("e/source/q/bound", {"arguments": "x"}, 400),
        ("e/amq.headers/q/bound", {"arguments": {"x-match": "bogus"}}, 400),
    ],
)
def test_wrong_bindings_are_refused(http: Http, path: str, body: object, status: int) -> None:
    assert http("POST", f"{B}/{path}", body).status == status
