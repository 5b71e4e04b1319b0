"""A queue over our own API: looked into, paused, moved, replayed, purged, changed; and what is refused."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any
from urllib.parse import quote

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from tests.interop.amqp10.raw_client import RawClient
from tests.support.managed import Http, ManagedServer
from tests.support.waiting import until
from tests.support.wire import Address

from batonmq.broker.model.events import Event
from batonmq.protocols.amqp10.codec.performatives import Attach, Flow, Source
from batonmq.protocols.amqp10.codec.values import UInt

FIELDS: dict[str, object] = {"to": "to", "arguments": {"x-max-length": 1}}
NEW = {
    "peek": "GET",
    "pause": "POST",
    "resume": "POST",
    "move": "POST",
    "replay": "POST",
    "purge": "POST",
    "settings": "GET",
    "delayed": "GET",
    "schedules": "GET",
    "groups": "GET",
    "deduplication": "GET",
}


def path(queue: str, *more: str, vhost: str = "/") -> str:
    return "/".join(("/api/baton/queues", quote(vhost, safe=""), quote(queue, safe=""), *more))


def fill(channel: BlockingChannel, queue: str, count: int, **headers: object) -> None:
    for number in range(count):
        properties = pika.BasicProperties(delivery_mode=2, headers={"n": number, **headers})
        channel.basic_publish("", queue, f"m{number}".encode(), properties)


def bodies(answer: Any) -> list[str]:  # noqa: ANN401  (whatever JSON says)
    return [message["body"] for message in answer["messages"]]


def test_a_peek_shows_what_is_ready_and_what_is_held(http: Http, channel: BlockingChannel, queue: str) -> None:
    fill(channel, queue, 5)
    channel.basic_get(queue)
    channel.basic_qos(prefetch_count=1)
    tag = channel.basic_consume(queue, lambda *_: None)
    until(lambda: http.get(path(queue, "peek?held=true"))["messages"][1].get("held"))
    shown = http.get(path(queue, "peek?count=3"))
    assert bodies(shown) == ["m2", "m3", "m4"]
    assert [message["position"] for message in shown["messages"]] == [1, 2, 3]
    held = http.get(path(queue, "peek?held=true"))["messages"]
    assert [message["body"] for message in held] == ["m0", "m1", "m2", "m3", "m4"]
    assert [message.get("held", False) for message in held] == [True, True, False, False, False]
    assert [held[0]["holder"]["consumer_tag"], held[1]["holder"]["consumer_tag"]] == [None, tag]
    assert held[0]["holder"]["channel"] == channel.channel_number
    assert " -> " in held[0]["holder"]["connection"]
    assert bodies(http.get(path(queue, "peek?held=true&count=1"))) == ["m0"]
    where = quote("n > 0 AND n < 3")
    assert bodies(http.get(path(queue, f"peek?held=true&where={where}"))) == ["m1", "m2"]
    assert bodies(http.get(path(queue, f"peek?where={where}"))) == ["m2"]


def test_a_peek_shows_what_other_protocols_hold(http: Http, managed: ManagedServer, unique_name: str) -> None:
    frames = (
        b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0"
        b"SUBSCRIBE\nid:0\nack:client\ndestination:/queue/%(q)s\n\n\0"
        b"SEND\ndestination:/queue/%(q)s\n\nheld\0"
    )
    with socket.create_connection(("127.0.0.1", managed.ports["stomp"]), timeout=30) as opened:
        opened.sendall(frames % {b"q": unique_name.encode()})
        read = b""
        while b"held\0" not in read:
            read += opened.recv(4096)
        (message,) = http.get(path(unique_name, "peek?held=true"))["messages"]
    assert (message["body"], message["held"], message["holder"]["channel"]) == ("held", True, 1)
    http("DELETE", f"/api/queues/%2F/{quote(unique_name, safe='')}")


def test_a_peek_shows_what_a_client_of_amqp_10_holds(
    http: Http, managed: ManagedServer, channel: BlockingChannel, queue: str
) -> None:
    fill(channel, queue, 2)
    with RawClient(Address("127.0.0.1", managed.port)).start() as client:
        source = Source(address=f"/queues/{quote(queue, safe='')}")
        client.say(Attach(name="out", handle=UInt(0), role=True, source=source))
        client.say(
            Flow(
                next_incoming_id=UInt(0),
                incoming_window=UInt(9),
                next_outgoing_id=UInt(0),
                outgoing_window=UInt(9),
                handle=UInt(0),
                link_credit=UInt(1),
                delivery_count=UInt(0),
            )
        )
        until(lambda: http.get(path(queue, "peek?held=true"))["messages"][0].get("held"))
        held, ready = http.get(path(queue, "peek?held=true"))["messages"]
        assert (held["body"], ready["body"], ready["position"]) == ("m0", "m1", 1)


def test_a_paused_queue_delivers_nothing_until_it_is_resumed(http: Http, channel: BlockingChannel, queue: str) -> None:
    assert http("POST", path(queue, "pause")).status == 204
    fill(channel, queue, 1)
    assert channel.basic_get(queue)[0] is None
    assert http("POST", path(queue, "resume"), {}).status == 204
    assert channel.basic_get(queue, auto_ack=True)[2] == b"m0"


def test_messages_are_moved_and_purged_by_selection(http: Http, channel: BlockingChannel, queue: str) -> None:
    target = queue + "-to"
    channel.queue_declare(target, durable=True)
    fill(channel, queue, 10)
    moved = http("POST", path(queue, "move"), {"to": target, "where": "n >= 4", "count": 3})
    assert (moved.status, moved.json) == (200, {"count": 3, "skipped": 0})
    assert bodies(http.get(path(target, "peek"))) == ["m4", "m5", "m6"]
    assert http("POST", path(queue, "purge"), {"where": "n < 2"}).json == {"count": 2}
    assert http("POST", path(queue, "purge")).json == {"count": 5}
    assert http("POST", path(target, "purge"), {}).json == {"count": 3}
    channel.queue_delete(target)


def test_a_full_target_is_told_with_what_was_done(http: Http, channel: BlockingChannel, queue: str) -> None:
    target = queue + "-to"
    channel.queue_declare(target, durable=True, arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
    fill(channel, queue, 5)
    answer = http("POST", path(queue, "move"), {"to": target})
    assert answer.status == 400
    assert "2 messages were done before" in answer.json["reason"]
    channel.queue_delete(target)


def test_dead_letters_are_found_and_replayed(http: Http, channel: BlockingChannel, queue: str) -> None:
    source = queue + "-source"
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
    channel.queue_declare(source, durable=True, arguments=arguments)
    fill(channel, source, 3)
    for _ in range(3):
        method = channel.basic_get(source)[0]
        channel.basic_reject(method.delivery_tag, requeue=False)
    until(lambda: channel.queue_declare(queue, passive=True).method.message_count == 3)
    found = [one for one in http.get("/api/baton/dead-letters?vhost=%2F")["queues"] if one["name"] == queue]
    assert [(one["count"], one["sampled"], one["reasons"]) for one in found] == [
        (3, False, [{"reason": "rejected", "queue": source, "count": 3}])
    ]
    assert http("POST", path(queue, "replay"), {"reason": "expired"}).json == {"count": 0, "skipped": 0}
    assert http("POST", path(queue, "replay"), {"where": "n = 1"}).json == {"count": 1, "skipped": 0}
    assert http("POST", path(queue, "replay")).json == {"count": 2, "skipped": 0}
    assert bodies(http.get(path(source, "peek"))) == ["m1", "m0", "m2"]
    channel.queue_delete(source)


def test_settings_are_shown_and_changed_in_place(http: Http, channel: BlockingChannel, queue: str) -> None:
    before = http.get(path(queue, "settings"))
    assert (before["arguments"], before["policy"], before["operator_policy"]) == ({}, None, None)
    assert before["changeable"]["x-max-length"] == {"type": "integer"}
    assert "x-max-priority" not in before["changeable"]
    fill(channel, queue, 5)
    changed = http("PATCH", path(queue, "settings"), {"arguments": {"x-max-length": 2}})
    assert (changed.status, changed.json["arguments"], changed.json["effective"]["x-max-length"]) == (
        200,
        {"x-max-length": 2},
        2,
    )
    assert bodies(http.get(path(queue, "peek"))) == ["m3", "m4"]
    channel.queue_declare(queue, durable=True)
    channel.queue_declare(queue, durable=True, arguments={"x-max-length": 2})
    assert http("PATCH", path(queue, "settings"), {"arguments": {"x-max-length": None}}).json["arguments"] == {}


@pytest.mark.parametrize(
    ("method", "end", "body"),
    [
        ("GET", "peek?count=0", None),
        ("GET", "peek?count=1001", None),
        ("GET", "peek?count=x", None),
        ("GET", "peek?where=" + quote("n = = 1"), None),
        ("POST", "move", {}),
        ("POST", "move", {"to": 7}),
        ("POST", "move", {"to": "nowhere", "count": "1"}),
        ("POST", "move", {"to": "nowhere", "count": True}),
        ("POST", "move", {"to": "nowhere", "where": 1}),
        ("POST", "move", []),
        ("POST", "move", b"{"),
        ("POST", "move", b"\xff"),
        ("POST", "move", b""),
        ("POST", "replay", {"count": -1}),
        ("POST", "replay", {"reason": 1}),
        ("POST", "replay", b'"x"'),
        ("POST", "purge", {"where": "n LIKE"}),
        ("PATCH", "settings", {}),
        ("PATCH", "settings", {"arguments": []}),
        ("PATCH", "settings", {"arguments": {"x-max-length": "many"}}),
        ("PATCH", "settings", {"arguments": {"x-max-length": 10**30}}),
        ("PATCH", "settings", {"arguments": {"x-max-priority": 3}}),
        ("PATCH", "settings", {"arguments": {"x-max-length": {}}}),
        ("GET", "delayed?after=x", None),
        ("GET", "delayed?count=0", None),
        ("GET", "groups?count=0", None),
        ("GET", "deduplication?after=x", None),
    ],
)
def test_bad_input_is_400_and_changes_nothing(
    http: Http, channel: BlockingChannel, queue: str, method: str, end: str, body: object
) -> None:
    fill(channel, queue, 2)
    answer = http(method, path(queue, end), body)
    assert (answer.status, answer.json["error"]) == (400, "bad_request"), answer.body
    assert answer.json["reason"]
    assert bodies(http.get(path(queue, "peek"))) == ["m0", "m1"]
    assert http.get(path(queue, "settings"))["arguments"] == {}


@pytest.mark.parametrize("end", [*NEW, "delayed/7", "deduplication/k"])
def test_who_may_not_is_told_so_and_learns_nothing(managed: ManagedServer, queue: str, end: str) -> None:
    method = NEW.get(end, "DELETE")
    with Http(managed.http_port, "a-management", "sesame") as user:
        missing = user(method, path("nowhere", end), FIELDS if method != "GET" else None)
        assert (missing.status, missing.json["error"]) == (404, "Object Not Found")
        assert user(method, path("q", end, vhost="none"), FIELDS if method != "GET" else None).status == 404
        other = user(method, path("q", end, vhost="other"), FIELDS if method != "GET" else None)
        assert (other.status, other.json["error"]) == (401, "not_authorised")
    with Http(managed.http_port, "a-nobody", "sesame") as user:
        assert user(method, path(queue, end)).status == 401
    with Http(managed.http_port, None) as nobody:
        assert nobody(method, path(queue, end)).status == 401


def test_rights_within_a_virtual_host_count(managed: ManagedServer, channel: BlockingChannel, queue: str) -> None:
    fill(channel, queue, 2)
    with Http(managed.http_port, "a-reader", "sesame") as reader:
        assert bodies(reader.get(path(queue, "peek"))) == ["m0", "m1"]
        for method, end, body in (
            ("POST", "pause", None),
            ("POST", "move", {"to": queue}),
            ("PATCH", "settings", {"arguments": {}}),
            ("DELETE", "delayed/1", None),
            ("POST", "delayed/1/deliver", None),
            ("DELETE", "deduplication/k", None),
        ):
            answer = reader(method, path(queue, end), body)
            assert (answer.status, answer.json["error"]) == (401, "not_authorised"), end
            assert "refused for user 'a-reader'" in answer.json["reason"]


def test_a_move_goes_on_when_the_client_is_gone(managed: ManagedServer, channel: BlockingChannel, queue: str) -> None:
    target = queue + "-to"
    channel.queue_declare(target, durable=True)
    fill(channel, queue, 1_500)
    has_begun = threading.Event()
    events = managed.server.broker.events

    def listener(event: Event) -> None:
        if event.kind == "messages.begun":
            has_begun.set()

    managed.loop.call_soon_threadsafe(events.listen, listener)
    with Http(managed.http_port) as hasty:
        hasty.connection.request("POST", path(queue, "move"), json.dumps({"to": target}), hasty.headers)
        assert has_begun.wait(30)
    managed.loop.call_soon_threadsafe(events.forget, listener)
    until(lambda: channel.queue_declare(target, passive=True).method.message_count == 1_500)
    assert channel.queue_declare(queue, passive=True).method.message_count == 0
    channel.queue_delete(target)
