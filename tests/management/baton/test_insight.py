"""What waits and who holds what, over HTTP: delayed messages, schedules, groups, keys, the store and the log."""

from __future__ import annotations

import logging

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from tests.management.baton.test_queues import bodies, fill, path
from tests.support.managed import Http, ManagedServer
from tests.support.waiting import until

CRON = {"AMQ_SCHEDULED_CRON": "0 0 1 1 *"}


def test_delayed_messages_are_listed_cancelled_and_delivered(http: Http, channel: BlockingChannel, queue: str) -> None:
    fill(channel, queue, 3, **{"x-delay": 600_000})
    fill(channel, queue, 1, **CRON)
    found = http.get(path(queue, "delayed?count=2"))
    assert (bodies(found), found["total"]) == (["m0", "m1"], 4)
    rest = http.get(path(queue, f"delayed?count=2&after={found['next']}"))
    assert [message["why"] for message in rest["messages"]] == ["delay", "schedule"]
    last = http.get(path(queue, f"delayed?after={rest['next']}")) if rest["next"] else {"messages": [], "next": None}
    assert (last["messages"], last["next"]) == ([], None)
    first, second = (message["id"] for message in found["messages"])
    assert http("DELETE", path(queue, f"delayed/{first}")).status == 204
    assert http("POST", path(queue, f"delayed/{second}/deliver")).status == 204
    for again in (("DELETE", first), ("DELETE", second), ("DELETE", "x"), ("DELETE", "%2F")):
        answer = http(again[0], path(queue, f"delayed/{again[1]}"))
        assert (answer.status, answer.json["error"]) == (404, "Object Not Found")
    assert bodies(http.get(path(queue, "peek"))) == ["m1"]
    (schedule,) = http.get(path(queue, "schedules"))["messages"]
    assert (schedule["body"], schedule["schedule"]["cron"]) == ("m0", CRON["AMQ_SCHEDULED_CRON"])
    assert http("POST", path(queue, f"schedules/{schedule['id']}/deliver")).status == 204
    assert bodies(http.get(path(queue, "peek"))) == ["m1", "m0"]
    assert http("DELETE", path(queue, f"schedules/{schedule['id']}")).status == 204
    assert http.get(path(queue, "delayed"))["total"] == 1


def test_groups_are_listed_with_their_holders(http: Http, channel: BlockingChannel, queue: str) -> None:
    fill(channel, queue, 3, **{"x-group": "customer 17"})
    channel.basic_qos(prefetch_count=1)
    tag = channel.basic_consume(queue, lambda *_: None)
    until(lambda: http.get(path(queue, "groups"))["groups"][0]["holder"] is not None)
    answer = http.get(path(queue, "groups"))
    (group,) = answer["groups"]
    assert (group["group"], group["waiting"], group["holder"]["consumer_tag"]) == ("customer 17", 2, tag)
    assert group["holder"]["channel"] == channel.channel_number
    assert answer["sampled"] is False


def test_deduplication_keys_are_listed_and_forgotten(http: Http, channel: BlockingChannel, unique_name: str) -> None:
    channel.queue_declare(unique_name, durable=True, arguments={"x-deduplication-window": 600_000})
    for key in ("order-1", "order-2/ä"):
        fill(channel, unique_name, 1, **{"x-deduplication-header": key})
    found = http.get(path(unique_name, "deduplication?count=1"))
    assert (len(found["keys"]), found["total"]) == (1, 2)
    rest = http.get(path(unique_name, f"deduplication?after={found['next']}"))
    assert (len(rest["keys"]), rest["next"]) == (1, None)
    assert http("DELETE", path(unique_name, f"deduplication/{found['keys'][0]['key']}")).status == 204
    assert http("DELETE", path(unique_name, "deduplication/order-2%2F%C3%A4")).status == 204
    assert http("DELETE", path(unique_name, "deduplication/order-1")).status == 404
    fill(channel, unique_name, 1, **{"x-deduplication-header": "order-1"})
    assert bodies(http.get(path(unique_name, "peek"))) == ["m0", "m0", "m0"]
    channel.queue_delete(unique_name)


def test_dead_letters_of_another_virtual_host(managed: ManagedServer, http: Http) -> None:
    assert http("GET", "/api/baton/dead-letters?vhost=none").status == 404
    with Http(managed.http_port, "a-management", "sesame") as user:
        assert user("GET", "/api/baton/dead-letters?vhost=other").status == 401
        assert user("GET", "/api/baton/dead-letters").status == 200


def test_the_store_tells_how_it_stands(http: Http, channel: BlockingChannel, queue: str) -> None:
    fill(channel, queue, 3)
    store = http.get("/api/baton/store")
    assert store["size"] > 0
    assert store["disk_free"] > 0
    assert store["log"]["size"] > 0
    assert (store["fault"], store["is_full"]) == (None, False)
    commits = store["commits"]
    assert commits["count"] >= 3
    assert 0 < commits["p50_ms"] <= commits["p99_ms"] <= commits["max_ms"]


@pytest.mark.parametrize("end", ["store", "log"])
def test_store_and_log_are_for_those_who_monitor(managed: ManagedServer, end: str) -> None:
    for name, status in (("a-management", 401), ("a-policymaker", 401), ("a-monitoring", 200)):
        with Http(managed.http_port, name, "sesame") as user:
            assert user("GET", f"/api/baton/{end}").status == status


def test_the_last_lines_of_the_log_are_told_without_secrets(http: Http, unique_name: str) -> None:
    log = logging.getLogger("batonmq.test")
    log.warning("%s: amqp://ann:sesame@host/ with password=sesame\nand more", unique_name)
    log.error("%s: Authorization: Basic sesame", unique_name)
    found = [line for line in http.get("/api/baton/log?level=warning")["lines"] if unique_name in line["message"]]
    assert [line["level"] for line in found] == ["warning", "error"]
    assert found[0]["message"] == f"{unique_name}: amqp://ann:***@host/ with password=***\nand more"
    assert found[1]["message"] == f"{unique_name}: Authorization: ***"
    errors = [line["level"] for line in http.get("/api/baton/log?level=error&count=1000")["lines"]]
    assert set(errors) == {"error"}
    for wrong in ("level=loud", "count=0", "count=1001", "count=x"):
        assert http("GET", f"/api/baton/log?{wrong}").status == 400


def test_a_peek_through_a_selector_holds_up_nobody(http: Http, channel: BlockingChannel, queue: str) -> None:
    for _ in range(3_000):
        channel.basic_publish("", queue, b"m", pika.BasicProperties(headers={"n": 1}))
    assert http.get(path(queue, "peek?where=n%20%3D%202"))["messages"] == []
