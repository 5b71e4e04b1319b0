"""What is told of queues, exchanges, bindings, virtual hosts and the node, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.support.managed import Http, ManagedServer, a_config
from tests.support.shop import Shop, shop
from tests.support.waiting import until

from batonmq.server.config import PermissionConfig, PolicyConfig, UserConfig, VhostConfig

Row = dict[str, Any]

ALL = PermissionConfig(configure=".*", write=".*", read=".*")
USERS = tuple(
    UserConfig(name=tag, password="sesame", tags=(tag,), permission=(ALL,)) for tag in ("management", "monitoring")
)

POLICY = PolicyConfig(name="short", pattern="^ruled", definition={"max-length": 5}, vhost="other")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    """One of their own: they look at all that there is."""
    config = a_config(user=USERS, vhost=(VhostConfig(name="other"),), policy=(POLICY,))
    with ManagedServer(tmp_path_factory.mktemp("read"), config) as started:
        yield started


@pytest.fixture(scope="module")
def opened(server: ManagedServer) -> Iterator[Shop]:
    with shop(server.port, "") as made:
        yield made


@pytest.fixture
def http(server: ManagedServer, opened: Shop) -> Iterator[Http]:
    with Http(server.http_port) as client:
        yield client


def counted(row: Row) -> Row:
    """What ``message_stats`` counts, without what is 0 and without rates."""
    return {name: value for name, value in row["message_stats"].items() if not name.endswith("_details") and value}


# ---------------------------------------------------------------------- queues


def test_a_queue(http: Http) -> None:
    row = http.get("/api/queues/%2F/orders")
    assert counted(row) == {
        "publish": 10,
        "deliver": 5,
        "deliver_get": 7,
        "get": 1,
        "get_no_ack": 1,
        "ack": 2,
        "redeliver": 1,
    }
    assert set(row["message_stats"]["publish_details"]) == {"rate"}
    assert (row["messages"], row["messages_ready"], row["messages_unacknowledged"]) == (7, 4, 3)
    assert (row["message_bytes_ready"], row["messages_ram"], row["messages_paged_out"]) == (400, 7, 0)
    assert (row["type"], row["state"], row["policy"], row["operator_policy"]) == ("classic", "running", None, None)
    assert row["arguments"] == {"x-max-length": 500, "x-message-ttl": 60_000_000}
    assert (row["durable"], row["auto_delete"], row["exclusive"]) == (True, False, False)
    assert (row["consumers"], row["head_message_timestamp"]) == (1, 7)
    (consumer,) = row["consumer_details"]
    assert (consumer["consumer_tag"], consumer["ack_required"], consumer["prefetch_count"]) == ("one", True, 3)
    assert consumer["channel_details"]["number"] == 2
    assert "owner_pid_details" not in row


def test_a_queue_through_which_nothing_went_has_no_message_stats(http: Http) -> None:
    row = http.get("/api/queues/%2F/mine")
    assert "message_stats" not in row
    assert row["owner_pid_details"]["name"] == http.get("/api/connections")[0]["name"]
    assert counted(http.get("/api/queues/%2F/idle")) == {"get_empty": 1}
    assert counted(http.get("/api/queues/%2F/plain")) == {"publish": 6, "deliver_get": 6, "deliver_no_ack": 6}


def test_samples_come_when_they_are_asked_for(http: Http) -> None:
    def samples() -> list[int]:
        row = http.get("/api/queues/%2F/orders?lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=20")
        assert len(row["messages_details"]["samples"]) == 13
        assert len(row["message_stats"]["publish_details"]["samples"]) == 4
        return [sample["sample"] for sample in row["messages_ready_details"]["samples"]]

    until(lambda: samples()[0] == 4)
    assert samples()[-1] == 0


@pytest.mark.parametrize("query", ["lengths_age=1000&lengths_incr=1", "msg_rates_age=1&msg_rates_incr=0"])
def test_too_many_samples_are_a_bad_request(http: Http, query: str) -> None:
    for path in ("queues/%2F/orders", "queues", "overview", "exchanges", "vhosts", "nodes"):
        answer = http("GET", f"/api/{path}?{query}")
        assert (answer.status, answer.json["error"]) == (400, "bad_request")
        assert answer.json["reason"].startswith("Invalid range parameters: age 1")


@pytest.mark.parametrize("query", ["lengths_age=60", "lengths_age=x&lengths_incr=5", "lengths_age=-5&lengths_incr=1"])
def test_what_is_no_range_asks_for_nothing(http: Http, query: str) -> None:
    assert set(http.get(f"/api/queues/%2F/orders?{query}")["messages_details"]) == {"rate"}


def test_lists_of_queues(http: Http) -> None:
    names = ["idle", "mine", "orders", "plain"]
    for path in ("/api/queues", "/api/queues/%2F", "/api/queues/detailed"):
        assert [row["name"] for row in http.get(path)] == names
    assert http.get("/api/queues/other") == []
    plain, detailed = http.get("/api/queues")[2], http.get("/api/queues/detailed")[2]
    assert set(detailed) - set(plain) == {
        "operator_policy",
        "exclusive_consumer_tag",
        "single_active_consumer_tag",
        "head_message_timestamp",
    }


def test_without_statistics_a_list_is_short(http: Http) -> None:
    rows = http.get("/api/queues?disable_stats=true")
    assert not {"messages", "message_stats", "consumers"} & set(rows[2])
    row = http.get("/api/queues?disable_stats=true&enable_queue_totals=true")[2]
    assert (row["name"], row["messages"], row["messages_ready"], row["messages_unacknowledged"]) == ("orders", 7, 4, 3)
    assert "messages_details" not in row


def test_columns_and_order(http: Http) -> None:
    rows = http.get("/api/queues?columns=name,message_stats.publish_details.rate&sort=messages&sort_reverse=true")
    assert rows[0]["name"] == "orders"
    assert set(rows[0]) == {"name", "message_stats"}
    assert http.get("/api/queues/%2F/orders?columns=name,messages") == {"name": "orders", "messages": 7}


def test_a_policy_is_told_of_what_it_applies_to(http: Http) -> None:
    http("PUT", "/api/queues/other/ruled", {"durable": True})
    try:
        row = http.get("/api/queues/other/ruled")
        assert (row["policy"], row["effective_policy_definition"]) == ("short", {"max-length": 5})
    finally:
        http("DELETE", "/api/queues/other/ruled")


# ---------------------------------------------------------------------- exchanges and bindings


def test_exchanges(http: Http) -> None:
    row = http.get("/api/exchanges/%2F/events")
    assert (row["type"], row["durable"], row["internal"], row["auto_delete"]) == ("topic", True, False, False)
    assert row["arguments"] == {"alternate-exchange": "other"}
    assert counted(row) == {"publish_in": 11, "publish_out": 11}
    assert counted(http.get("/api/exchanges/%2F/amq.default")) == {"publish_in": 5, "publish_out": 5}
    assert http.get("/api/exchanges/%2F/amq.default")["name"] == ""
    names = [row["name"] for row in http.get("/api/exchanges/%2F")]
    assert names == sorted(names)
    assert {"", "amq.direct", "events", "other"} < set(names)
    assert len(http.get("/api/exchanges")) == len(names) + 7


def test_an_empty_name_is_the_default_exchange(http: Http) -> None:
    assert http.get("/api/exchanges/%2F//") == http.get("/api/exchanges/%2F/amq.default")
    assert http.get("/api/exchanges/%2F/") == http.get("/api/exchanges/%2F")
    bindings = http.get("/api/exchanges/%2F//bindings/source")
    assert bindings == http.get("/api/exchanges/%2F/amq.default/bindings/source")
    (of_orders,) = http.get("/api/bindings/%2F/e//q/orders")
    assert of_orders["destination"] == "orders"
    assert of_orders in bindings
    assert http.get("/api/exchanges/%2F//bindings/destination") == []
    assert http("DELETE", "/api/exchanges/%2F//").status == 401
    for path in ("queues/%2F//bindings", "exchanges//amq.direct", "bindings/%2F/e/events/q//", "overview//"):
        assert http("GET", f"/api/{path}").status == 404, path


def test_bindings_have_names_of_their_own(http: Http) -> None:
    rows = http.get("/api/bindings/%2F/e/events/q/orders")
    keys = {row["routing_key"]: row["properties_key"] for row in rows}
    assert (keys[""], keys["order.#"]) == ("~", "order.%23")
    assert keys["a/b*c"].startswith("a%2Fb%2Ac~")
    for row in rows:
        found = http.get(f"/api/bindings/%2F/e/events/q/orders/{quote(row['properties_key'], safe='')}")
        assert found == row
    assert http("GET", "/api/bindings/%2F/e/events/q/orders/none").status == 404
    assert http.get("/api/bindings/%2F/e/events/e/other/%2523.all")["destination_type"] == "exchange"


def test_lists_of_bindings(http: Http) -> None:
    def ends(path: str) -> list[tuple[str, str, str]]:
        return sorted((row["source"], row["destination"], row["routing_key"]) for row in http.get(path))

    made = [
        ("events", "orders", ""),
        ("events", "orders", "a/b*c"),
        ("events", "orders", "order.#"),
        ("events", "other", "#.all"),
        ("other", "plain", ""),
    ]
    by_name = [("", name, name) for name in ("idle", "mine", "orders", "plain")]
    assert ends("/api/bindings") == ends("/api/bindings/%2F") == by_name + made
    assert ends("/api/queues/%2F/orders/bindings") == [by_name[2], *made[:3]]
    assert ends("/api/exchanges/%2F/events/bindings/source") == made[:4]
    assert ends("/api/exchanges/%2F/other/bindings/destination") == [made[3]]
    assert ends("/api/exchanges/%2F/amq.default/bindings/source") == by_name
    assert ends("/api/bindings/%2F/e/amq.default/q/orders") == [by_name[2]]
    assert ends("/api/bindings/%2F/e/events/e/other") == [made[3]]
    # As in RabbitMQ, between what is not there are no bindings.
    assert ends("/api/bindings/%2F/e/none/q/orders") == ends("/api/bindings/%2F/e/events/q/none") == []


@pytest.mark.parametrize(
    "path",
    [
        "queues/%2F/none",
        "queues/none",
        "queues/none/none",
        "queues/%2F/none/bindings",
        "exchanges/%2F/none",
        "exchanges/none",
        "exchanges/%2F/none/bindings/source",
        "exchanges/%2F/none/bindings/destination",
        "bindings/none",
        "bindings/none/e/events/q/orders",
        "vhosts/none",
        "nodes/none",
        "nodes/none/memory",
    ],
)
def test_what_is_not_there(http: Http, path: str) -> None:
    answer = http("GET", f"/api/{path}")
    assert (answer.status, answer.json) == (404, {"error": "Object Not Found", "reason": "Not Found"})


# ---------------------------------------------------------------------- the whole


def test_the_overview(server: ManagedServer, http: Http) -> None:
    row = http.get("/api/overview")
    assert counted(row) == {
        "publish": 17,
        "confirm": 17,
        "return_unroutable": 1,
        "deliver": 5,
        "deliver_no_ack": 6,
        "deliver_get": 13,
        "get": 1,
        "get_no_ack": 1,
        "get_empty": 1,
        "ack": 2,
        "redeliver": 1,
    }
    totals = row["queue_totals"]
    assert (totals["messages"], totals["messages_ready"], totals["messages_unacknowledged"]) == (7, 4, 3)
    assert row["object_totals"] == {"queues": 4, "exchanges": 16, "connections": 1, "channels": 3, "consumers": 2}
    churn = row["churn_rates"]
    assert (churn["connection_created"], churn["channel_created"], churn["connection_closed"]) == (1, 3, 0)
    assert {one["protocol"]: one["port"] for one in row["listeners"]} == {
        "amqp": server.port,
        "http": server.http_port,
        "stomp": server.ports["stomp"],
    }
    assert {one["name"] for one in row["exchange_types"]} > {"direct", "fanout", "topic", "headers"}
    assert row["node"] == row["cluster_name"] == http.get("/api/nodes")[0]["name"]


def test_virtual_hosts(http: Http) -> None:
    default, other = http.get("/api/vhosts")
    assert (default["name"], other["name"]) == ("/", "other")
    assert (default["messages"], default["messages_ready"], other["messages"]) == (7, 4, 0)
    assert counted(default)["publish"] == 17
    assert counted(other) == {}
    assert default["recv_oct"] > 1_000
    assert list(default["cluster_state"].values()) == ["running"]
    assert (default["tracing"], default["tags"], default["default_queue_type"]) == (False, [], "classic")
    assert http.get("/api/vhosts/%2F")["name"] == "/"


def test_the_node(http: Http) -> None:
    (row,) = http.get("/api/nodes")
    assert row["running"] is True
    for name in ("mem_used", "fd_used", "disk_free", "proc_used", "uptime", "mem_limit", "fd_total", "processors"):
        assert row[name] > 0, name
    assert row["sockets_used"] == 1
    assert not row["mem_alarm"]
    assert not row["disk_free_alarm"]
    assert (row["partitions"], row["cluster_links"]) == ([], [])
    assert [one["name"] for one in row["auth_mechanisms"] if one["enabled"]] == ["PLAIN", "AMQPLAIN"]
    memory = http.get(f"/api/nodes/{row['name']}/memory")["memory"]
    assert memory["total"]["rss"] > memory["queue_procs"] > 0
    assert http.get(f"/api/nodes/{row['name']}?memory=true")["memory"]["strategy"] == "rss"
    details = http.get(f"/api/nodes/{row['name']}?node_stats_age=60&node_stats_incr=5")["mem_used_details"]
    assert len(details["samples"]) == 13


# ---------------------------------------------------------------------- who sees it


def test_who_is_no_monitor_sees_his_virtual_hosts_and_his_connections(server: ManagedServer, http: Http) -> None:
    http("PUT", "/api/queues/other/elsewhere", {"durable": True})
    mine = server.http("management", "sesame")
    assert [row["name"] for row in mine.get("/api/vhosts")] == ["/"]
    assert mine("GET", "/api/queues/other").status == 401
    assert {row["vhost"] for path in ("queues", "exchanges", "bindings") for row in mine.get(f"/api/{path}")} == {"/"}
    row = mine.get("/api/overview")
    assert row["queue_totals"]["messages"] == 7
    assert counted(row)["publish"] == 17
    assert row["object_totals"] == {"queues": 4, "exchanges": 9, "connections": 0, "channels": 0, "consumers": 2}
    assert not {"listeners", "contexts", "churn_rates"} & set(row)
    assert mine("GET", "/api/nodes").status == 401

    monitor = server.http("monitoring", "sesame")
    assert [row["name"] for row in monitor.get("/api/vhosts")] == ["/", "other"]
    assert [row["name"] for row in monitor.get("/api/queues/other")] == ["elsewhere"]
    assert monitor.get("/api/overview")["object_totals"]["queues"] == 5
    http("DELETE", "/api/queues/other/elsewhere")
