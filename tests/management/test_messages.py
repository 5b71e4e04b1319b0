"""Messages published and taken over HTTP."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from tests.support.managed import Http, ManagedServer

QUEUE = "/api/queues/%2F/messages"
PUBLISH = "/api/exchanges/%2F/amq.default/publish"


@pytest.fixture
def queue(http: Http) -> Iterator[Http]:
    """A client, and an empty queue "messages"."""
    assert http("PUT", QUEUE, {"durable": True}).status == 201
    yield http
    http("DELETE", QUEUE)


def message(**changes: object) -> dict[str, object]:
    return {"properties": {}, "routing_key": "messages", "payload": "hi", "payload_encoding": "string", **changes}


def take(http: Http, mode: str = "ack_requeue_true", **changes: object) -> Any:  # noqa: ANN401  (JSON)
    answer = http("POST", f"{QUEUE}/get", {"count": 10, "ackmode": mode, "encoding": "auto", **changes})
    assert answer.status == 200, answer.body
    return answer.json


# ---------------------------------------------------------------------- publish


def test_a_message_is_routed_or_not(queue: Http) -> None:
    assert queue("POST", PUBLISH, message()).json == {"routed": True}
    assert queue("POST", PUBLISH, message(routing_key="nobody")).json == {"routed": False}


def test_an_empty_name_is_the_default_exchange(queue: Http) -> None:
    """RabbitMQ's rabbitmqadmin leaves the name empty where it is told none."""
    assert queue("POST", "/api/exchanges/%2F//publish", message()).json == {"routed": True}
    assert take(queue)[0]["exchange"] == ""


def test_what_is_published_is_what_is_taken(queue: Http) -> None:
    properties = {
        "content_type": "ct",
        "content_encoding": "ce",
        "headers": {"a": 1, "b": "s", "c": [1], "d": {"e": True}, "f": 1.5},
        "delivery_mode": 2,
        "priority": 3,
        "correlation_id": "c",
        "reply_to": "r",
        "expiration": "60000",
        "message_id": "m",
        "timestamp": 12,
        "type": "t",
        "user_id": "guest",
        "app_id": "a",
        "cluster_id": "cl",
    }
    queue("POST", PUBLISH, message(properties={**properties, "unheard-of": 1}))
    assert take(queue) == [
        {
            "payload_bytes": 2,
            "redelivered": False,
            "exchange": "",
            "routing_key": "messages",
            "message_count": 0,
            "properties": properties,
            "payload": "hi",
            "payload_encoding": "string",
        }
    ]


def test_a_consumer_gets_it(queue: Http, managed: ManagedServer) -> None:
    queue("POST", PUBLISH, message(payload=base64.b64encode(b"\x80\x00").decode(), payload_encoding="base64"))
    with pika.BlockingConnection(pika.URLParameters(managed.url)) as connection:
        _, _, body = connection.channel().basic_get("messages", auto_ack=True)
        assert body == b"\x80\x00"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"payload": 7}, "payload_not_string"),
        ({"payload": {"a": 1}}, "payload_not_string"),
        ({"payload_encoding": "x"}, "unsupported_encoding"),
        ({"payload_encoding": "base64", "payload": "!!"}, "not_base64"),
        ({"properties": 7}, "properties"),
        ({"properties": {"delivery_mode": "x"}}, "not_int: delivery_mode"),
        ({"properties": {"delivery_mode": True}}, "delivery_mode"),
        ({"properties": {"priority": 256}}, "priority"),
        ({"properties": {"timestamp": -1}}, "timestamp"),
        ({"properties": {"expiration": 60000}}, "not_string: expiration"),
        ({"properties": {"expiration": "abc"}}, "invalid expiration 'abc': no_integer"),
        ({"properties": {"message_id": "x" * 300}}, "message_id"),
        ({"properties": {"headers": 7}}, "headers"),
        ({"properties": {"headers": {"a": None}}}, "null_not_allowed"),
        ({"properties": {"headers": {"CC": "x"}}}, "unacceptable_type_in_header"),
        ({"properties": {"headers": {"x-delay": "soon"}}}, "x-delay"),
        ({"properties": {"user_id": "other"}}, "user_id property set to 'other'"),
        ({"properties": {"reply_to": "amq.rabbitmq.reply-to"}}, "fast reply consumer"),
        ({"routing_key": "x" * 300}, "routing_key"),
        ({"routing_key": ["x"]}, "routing_key"),
    ],
)
def test_a_wrong_message_is_refused_and_goes_nowhere(queue: Http, changes: dict[str, object], words: str) -> None:
    answer = queue("POST", PUBLISH, message(**changes))
    assert (answer.status, answer.json["error"]) == (400, "bad_request")
    assert words in answer.json["reason"]
    assert take(queue) == []


def test_what_is_missing_is_told_at_once(queue: Http) -> None:
    answer = queue("POST", PUBLISH, {"payload": "x"})
    assert (
        answer.json["reason"] == "[{key_missing,routing_key},{key_missing,properties},{key_missing,payload_encoding}]"
    )


def test_an_exchange_that_is_not_there_or_not_for_clients(queue: Http) -> None:
    assert queue("POST", "/api/exchanges/%2F/nope/publish", message()).status == 404
    queue("PUT", "/api/exchanges/%2F/inner", {"internal": True})
    answer = queue("POST", "/api/exchanges/%2F/inner/publish", message())
    assert answer.status == 401
    assert "internal exchange" in answer.json["reason"]


def test_a_full_queue_refuses(http: Http) -> None:
    http("PUT", "/api/queues/%2F/full", {"arguments": {"x-max-length": 1, "x-overflow": "reject-publish"}})
    statuses = [http("POST", PUBLISH, message(routing_key="full")).status for _ in range(2)]
    assert statuses == [200, 400]
    http("DELETE", "/api/queues/%2F/full")


def test_carbon_copies_and_delays_count(http: Http, queue: Http, managed: ManagedServer) -> None:
    http("PUT", "/api/queues/%2F/copied", {})
    queue("POST", PUBLISH, message(properties={"headers": {"CC": ["copied"], "BCC": ["nobody"]}}))
    queue("POST", PUBLISH, message(properties={"headers": {"x-delay": 100_000}}))
    queues = managed.server.broker.vhosts["/"].queues
    assert (queues["copied"].ready_count, queues["messages"].ready_count, queues["messages"].delayed_count) == (1, 1, 1)
    assert take(queue)[0]["properties"] == {"headers": {"CC": ["copied"]}}
    http("DELETE", "/api/queues/%2F/copied")


# ---------------------------------------------------------------------- get


def fill(http: Http, count: int = 3) -> None:
    for number in range(count):
        http("POST", PUBLISH, message(payload=f"message {number}", properties={"delivery_mode": 2}))


@pytest.mark.parametrize("mode", ["ack_requeue_true", "reject_requeue_true"])
def test_a_message_that_is_given_back_counts_as_returned(queue: Http, mode: str, managed: ManagedServer) -> None:
    fill(queue)
    assert [one["payload"] for one in take(queue, mode, count=2)] == ["message 0", "message 1"]
    shown = take(queue, mode)
    assert [(one["payload"], one["redelivered"], one["message_count"]) for one in shown] == [
        ("message 0", True, 2),
        ("message 1", True, 1),
        ("message 2", False, 0),
    ]
    counts = managed.server.broker.vhosts["/"].queues["messages"].counts()
    assert (counts.delivered, counts.returned, counts.accepted) == (5, 5, 0)


def test_a_message_is_given_up_when_it_was_given_back_too_often(http: Http) -> None:
    path = "/api/queues/%2F/limited"
    http("PUT", path, {"durable": True, "arguments": {"x-queue-type": "quorum", "x-delivery-limit": 1}})
    http("POST", PUBLISH, message(routing_key="limited"))
    body = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    assert [len(http("POST", f"{path}/get", body).json) for _ in range(3)] == [1, 1, 0]
    http("DELETE", path)


@pytest.mark.parametrize("mode", ["ack_requeue_false", "reject_requeue_false"])
def test_a_message_that_is_taken_is_gone(http: Http, mode: str) -> None:
    path, dead = "/api/queues/%2F/leaving", "/api/queues/%2F/dead"
    http("PUT", dead, {})
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    http("PUT", path, {"durable": True, "arguments": arguments})
    http("POST", PUBLISH, message(routing_key="leaving"))
    body = {"count": 5, "ackmode": mode, "encoding": "auto"}
    assert len(http("POST", f"{path}/get", body).json) == 1
    assert http("POST", f"{path}/get", body).json == []
    assert len(http("POST", f"{dead}/get", body).json) == (mode == "reject_requeue_false")
    http("DELETE", path)
    http("DELETE", dead)


def test_older_clients_say_requeue_and_no_ackmode(queue: Http) -> None:
    fill(queue, 1)
    body = {"count": 1, "encoding": "auto"}
    for requeue in (True, "true", False):
        assert len(queue("POST", f"{QUEUE}/get", {**body, "requeue": requeue}).json) == 1
    assert queue("POST", f"{QUEUE}/get", {**body, "requeue": True}).json == []
    assert queue("POST", f"{QUEUE}/get", {**body, "requeue": "perhaps"}).status == 400
    assert queue("POST", f"{QUEUE}/get", {"requeue": True}).status == 400


def test_bodies_are_shown_as_asked(queue: Http) -> None:
    queue("POST", PUBLISH, message(payload="grüße"))
    queue("POST", PUBLISH, message(payload="gA==", payload_encoding="base64"))
    text, octets = take(queue)
    assert (text["payload"], text["payload_encoding"], text["payload_bytes"]) == ("grüße", "string", 7)
    assert (octets["payload"], octets["payload_encoding"], octets["properties"]) == ("gA==", "base64", [])
    assert [one["payload"] for one in take(queue, encoding="base64")] == ["Z3LDvMOfZQ==", "gA=="]
    short = take(queue, truncate=2, count="1")
    assert (short[0]["payload"], short[0]["payload_bytes"]) == ("gr", 7)


def test_all_that_there_is(queue: Http) -> None:
    fill(queue, 30)
    assert len(take(queue, count=-1)) == 30
    assert take(queue, count=0) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ackmode": "x"}, "Invalid ackmode value: x."),
        ({"encoding": "x"}, "Unsupported encoding"),
        ({"count": "a"}, "not_integer"),
        ({"count": None}, ""),
        ({"truncate": -1}, "truncate"),
    ],
)
def test_a_wrong_request_takes_nothing(queue: Http, changes: dict[str, object], words: str) -> None:
    fill(queue, 1)
    body = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto", **changes}
    if changes == {"count": None}:
        del body["count"]
    answer = queue("POST", f"{QUEUE}/get", body)
    assert answer.status == 400
    assert words in answer.json["reason"]
    assert len(take(queue)) == 1


def test_only_who_may_read_gets_messages(queue: Http, managed: ManagedServer) -> None:
    fill(queue, 1)
    body = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    assert queue("POST", "/api/queues/%2F/nowhere/get", body).status == 404
    assert managed.http("a-management", "sesame")("POST", "/api/queues/other/messages/get", body).status == 401
    assert managed.http("guest", "wrong")("POST", f"{QUEUE}/get", body).status == 401
