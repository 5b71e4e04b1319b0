"""Connections, channels and consumers over HTTP: what is shown of real clients, to whom, and how they are closed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ConnectionClosedByBroker
from tests.interop.amqp10.raw_client import RawClient
from tests.support.managed import Http, ManagedServer
from tests.support.waiting import until
from tests.support.wire import Address

from batonmq.protocols.amqp10.codec.performatives import Attach, Close, Coordinator, Flow, Source, Target
from batonmq.protocols.amqp10.codec.values import Symbol, UInt

Row = dict[str, Any]

CONNECT = b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\nclient-id:till 4\n\n\0"


def of(name: str, *more: str) -> str:
    """The path of what has that name."""
    return "/".join((quote(name, safe=""), *more))


@contextmanager
def connected(server: ManagedServer, name: str, user: str = "guest", password: str = "guest") -> Iterator[Any]:
    """A client of AMQP 0-9-1."""
    parameters = pika.ConnectionParameters(
        "127.0.0.1",
        server.port,
        credentials=pika.PlainCredentials(user, password),
        client_properties={"connection_name": name},
        socket_timeout=30,
        stack_timeout=30,
    )
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection
    finally:
        if connection.is_open:
            connection.close()


@contextmanager
def stomp(server: ManagedServer, *frames: bytes) -> Iterator[socket.socket]:
    """A client of STOMP that has logged in."""
    with socket.create_connection(("127.0.0.1", server.ports["stomp"]), timeout=30) as opened:
        opened.sendall(CONNECT)
        assert opened.recv(4096).startswith(b"CONNECTED")
        for frame in frames:
            opened.sendall(frame)
        yield opened


def find(http: Http, name: str) -> Row:
    """The connection that its client calls so."""
    (row,) = [row for row in http.get("/api/connections") if row.get("user_provided_name") == name]
    return dict(row)


def busy(connection: Any) -> tuple[BlockingChannel, BlockingChannel]:  # noqa: ANN401
    """A channel with a consumer and confirms, and one with a transaction."""
    first, second = connection.channel(), connection.channel()
    first.confirm_delivery()
    queue = first.queue_declare("", exclusive=True).method.queue
    first.basic_qos(prefetch_count=7)
    first.basic_qos(prefetch_count=9, global_qos=True)
    for _ in range(3):
        first.basic_publish("", queue, b"x")
    first.basic_consume(queue, lambda *_: None, consumer_tag="till", arguments={"x-priority": 3})
    second.tx_select()
    second.basic_publish("", queue, b"y")
    connection.process_data_events(0)
    return first, second


def test_a_connection_is_shown_with_what_it_said_and_what_went_over_it(
    managed: ManagedServer, http: Http, unique_name: str
) -> None:
    with connected(managed, unique_name) as connection:
        busy(connection)
        row = find(http, unique_name)
        assert row == http.get(f"/api/connections/{of(row['name'])}")
        assert row["name"] == f"127.0.0.1:{row['peer_port']} -> 127.0.0.1:{managed.port}"
        for key, value in {
            "type": "network",
            "protocol": "AMQP 0-9-1",
            "host": "127.0.0.1",
            "port": managed.port,
            "peer_host": "127.0.0.1",
            "user": "guest",
            "vhost": "/",
            "state": "running",
            "channels": 2,
            "channel_max": 2047,
            "frame_max": 131_072,
            "timeout": 60,
            "auth_mechanism": "PLAIN",
            "ssl": False,
            "ssl_protocol": None,
            "peer_cert_subject": None,
            "send_pend": 0,
        }.items():
            assert row[key] == value, key
        assert row["client_properties"]["product"] == "Pika Python Client Library"
        assert row["client_properties"]["capabilities"]["basic.nack"] is True
        assert 0 < row["recv_cnt"] < row["recv_oct"]
        assert 0 < row["send_cnt"] < row["send_oct"]
    until(lambda: http("GET", f"/api/connections/{of(row['name'])}").status == 404)


def test_channels_are_shown_with_what_they_hold_and_what_waits(
    managed: ManagedServer, http: Http, unique_name: str
) -> None:
    with connected(managed, unique_name) as connection:
        busy(connection)
        name = find(http, unique_name)["name"]
        until(lambda: http.get(f"/api/channels/{of(f'{name} (1)')}")["message_stats"]["confirm"] == 3)
        first, second = http.get(f"/api/connections/{of(name, 'channels')}")
        for row, expected in (
            (
                first,
                {
                    "name": f"{name} (1)",
                    "number": 1,
                    "prefetch_count": 7,
                    "global_prefetch_count": 9,
                    "consumer_count": 1,
                    "messages_unacknowledged": 3,
                    "messages_unconfirmed": 0,
                    "confirm": True,
                    "transactional": False,
                    "state": "running",
                },
            ),
            (second, {"number": 2, "messages_uncommitted": 1, "confirm": False, "transactional": True}),
        ):
            assert {key: row[key] for key in expected} == expected
            assert row["connection_details"] == {
                "name": name,
                "peer_host": "127.0.0.1",
                "peer_port": find(http, unique_name)["peer_port"],
            }
        stats = first["message_stats"]
        assert (stats["publish"], stats["confirm"], stats["deliver"], stats["deliver_get"]) == (3, 3, 3, 3)
        for path in ("/api/channels", "/api/vhosts/%2F/channels"):
            assert {f"{name} (1)", f"{name} (2)"} <= {row["name"] for row in http.get(path)}
        described = http.get(f"/api/channels/{of(f'{name} (1)')}")
        (consumer,) = described.pop("consumer_details")
        assert described == first
        assert consumer in http.get("/api/consumers")
        assert consumer in http.get("/api/consumers/%2F")
        assert consumer["channel_details"]["name"] == f"{name} (1)"
        assert {key: consumer[key] for key in ("consumer_tag", "ack_required", "prefetch_count", "arguments")} == {
            "consumer_tag": "till",
            "ack_required": True,
            "prefetch_count": 7,
            "arguments": {"x-priority": 3},
        }


def test_what_a_closed_channel_counted_is_still_its_connections(
    managed: ManagedServer, http: Http, unique_name: str
) -> None:
    with connected(managed, unique_name) as connection:
        first, second = busy(connection)
        second.close()
        first.close()
        client = managed.server.broker.clients.find(find(http, unique_name)["name"])
        assert client is not None
        assert client.counts.listed()["published"] == 4
        assert http.get(f"/api/connections/{of(client.name, 'channels')}") == []


def test_of_several_consumers_of_a_queue_with_a_single_active_one_the_others_wait(
    managed: ManagedServer, http: Http, unique_name: str
) -> None:
    with connected(managed, unique_name) as connection:
        channel = connection.channel()
        channel.queue_declare(unique_name, auto_delete=True, arguments={"x-single-active-consumer": True})
        for tag in ("first", "second"):
            channel.basic_consume(unique_name, lambda *_: None, consumer_tag=tag)
        found = {
            row["consumer_tag"]: (row["active"], row["activity_status"])
            for row in http.get("/api/consumers")
            if row["queue"]["name"] == unique_name
        }
    assert found == {"first": (True, "single_active"), "second": (False, "waiting")}


def test_a_connection_of_amqp_1_0_has_sessions_with_links(managed: ManagedServer, http: Http, unique_name: str) -> None:
    with connected(managed, unique_name) as other:
        other.channel().queue_declare(unique_name, auto_delete=True)
        with RawClient(Address("127.0.0.1", managed.port)).start() as client:
            address = f"/queues/{quote(unique_name, safe='')}"
            client.say(
                Attach(name="in", handle=0, role=False, target=Target(address=address), initial_delivery_count=0)
            )
            client.say(Attach(name="out", handle=1, role=True, source=Source(address=address)))
            client.say(
                Flow(
                    next_incoming_id=0,
                    incoming_window=9,
                    next_outgoing_id=0,
                    outgoing_window=9,
                    handle=1,
                    link_credit=5,
                    delivery_count=0,
                )
            )
            row = next(row for row in http.get("/api/connections") if row["protocol"] == "AMQP 1-0")
            path = f"/api/connections/{of(row['name'])}"
            until(lambda: bool(http.get(f"{path}/sessions")[0]["outgoing_links"]))
            (session,) = http.get(f"{path}/sessions")
            assert row["container_id"]
            assert row["channels"] == 1
            assert http.get(f"{path}/channels") == []
            (incoming,), (outgoing,) = session["incoming_links"], session["outgoing_links"]
            assert (incoming["link_name"], incoming["target_address"]) == ("in", address)
            assert (outgoing["link_name"], outgoing["queue_name"]) == ("out", unique_name)
            until(lambda: http.get(f"{path}/sessions")[0]["outgoing_links"][0]["credit"] == 5)
            assert http("DELETE", path, headers={"X-Reason": "enough"}).status == 204
            close = client.get(Close)
            assert close.error is not None
            assert (str(close.error.condition), close.error.description) == ("amqp:connection:forced", "enough")
        name = find(http, unique_name)["name"]
        answer = http("GET", f"/api/connections/{of(name, 'sessions')}")
        assert (answer.status, answer.json) == (
            400,
            {"error": "bad_request", "reason": "connection does not use AMQP 1.0"},
        )


def test_links_of_every_kind_are_listed(managed: ManagedServer, http: Http, unique_name: str) -> None:
    with connected(managed, unique_name) as other:
        other.channel().queue_declare(unique_name, auto_delete=True)
        address = f"/queues/{quote(unique_name, safe='')}"
        with RawClient(Address("127.0.0.1", managed.port)).start() as client:
            senders: list[tuple[str, Source, Target | Coordinator]] = [
                ("coordinator", Source(), Coordinator()),
                ("anonymous", Source(), Target()),
                ("requests", Source(address="/management"), Target(address="/management")),
            ]
            for handle, (name, source, to) in enumerate(senders):
                client.say(
                    Attach(
                        name=name,
                        handle=UInt(handle),
                        role=False,
                        source=source,
                        target=to,
                        initial_delivery_count=UInt(0),
                    )
                )
                client.get(Attach)
            for handle, (name, source) in enumerate(
                [
                    ("requests", Source(address="/management")),
                    ("browser", Source(address=address, distribution_mode=Symbol("copy"))),
                    ("replies", Source(dynamic=True, capabilities=[Symbol("rabbitmq:volatile-queue")])),
                ],
                start=10,
            ):
                target = Target(address=name)
                client.say(
                    Attach(
                        name=name,
                        handle=UInt(handle),
                        role=True,
                        source=source,
                        target=target,
                        snd_settle_mode=1 if name == "replies" else None,
                    )
                )
                client.get(Attach)
            row = next(row for row in http.get("/api/connections") if row["protocol"] == "AMQP 1-0")
            (session,) = http.get(f"/api/connections/{of(row['name'], 'sessions')}")
    incoming = {(link["link_name"], link["target_address"]) for link in session["incoming_links"]}
    outgoing = {(link["link_name"], link["queue_name"]) for link in session["outgoing_links"]}
    assert incoming == {("coordinator", ""), ("anonymous", ""), ("requests", "/management")}
    assert outgoing == {("requests", ""), ("browser", unique_name), ("replies", "")}


def test_a_connection_of_stomp_is_one_channel(managed: ManagedServer, http: Http, unique_name: str) -> None:
    subscribe = f"SUBSCRIBE\nid:1\ndestination:/queue/{unique_name}\nack:client\nprefetch-count:4\nreceipt:r\n\n\0"
    with stomp(managed, subscribe.encode()) as opened:
        assert opened.recv(4096).startswith(b"RECEIPT")
        row = find(http, "till 4")
        assert (row["protocol"], row["channels"], row["port"]) == ("STOMP 1.2", 1, managed.ports["stomp"])
        (channel,) = http.get(f"/api/connections/{of(row['name'], 'channels')}")
        assert (channel["number"], channel["consumer_count"], channel["prefetch_count"]) == (1, 1, 4)
        assert http("DELETE", f"/api/connections/{of(row['name'])}", headers={"X-Reason": "enough"}).status == 204
        said = opened.recv(4096)
        assert said.startswith(b"ERROR\nmessage:Connection closed\n")
        assert b"\n\nenough\n\0" in said
        assert opened.recv(4096) == b""
    http("DELETE", f"/api/queues/%2F/{of(unique_name)}")


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "CONNECTION_FORCED - Closed via management plugin"),
        ({"X-Reason": ""}, "CONNECTION_FORCED - Closed via management plugin"),
        ({"X-Reason": "because I can"}, "CONNECTION_FORCED - because I can"),
        ({"X-Reason": "r" * 5_000}, f"CONNECTION_FORCED - {'r' * 232}..."),
    ],
)
def test_whoever_closes_a_connection_says_why(
    managed: ManagedServer, http: Http, unique_name: str, headers: dict[str, str], said: str
) -> None:
    with connected(managed, unique_name) as connection:
        path = f"/api/connections/{of(find(http, unique_name)['name'])}"
        answer = http("DELETE", path, headers=headers)
        assert (answer.status, answer.body) == (204, b"")
        with pytest.raises(ConnectionClosedByBroker) as closed:
            connection.process_data_events(30)
        assert (closed.value.reply_code, closed.value.reply_text) == (320, said)
    until(lambda: http("DELETE", path).status == 404)


def test_all_connections_of_a_user_are_closed_together(managed: ManagedServer, http: Http, unique_name: str) -> None:
    with (
        connected(managed, unique_name + "1", "a-policymaker", "sesame") as first,
        connected(managed, unique_name + "2", "a-policymaker", "sesame") as second,
        connected(managed, unique_name + "3", "a-management", "sesame") as other,
    ):
        listed = http.get("/api/connections/username/a-policymaker")
        assert [set(row) for row in listed] == [{"name", "node", "user", "vhost"}] * 2
        assert http("DELETE", "/api/connections/username/a-policymaker").status == 204
        for connection in (first, second):
            with pytest.raises(ConnectionClosedByBroker):
                connection.process_data_events(30)
        other.process_data_events(0)
        assert other.is_open
    assert http.get("/api/connections/username/nobody-of-this-name") == []
    assert http("DELETE", "/api/connections/username/nobody-of-this-name").status == 204


def test_without_the_tag_monitoring_one_sees_and_closes_ones_own(
    managed: ManagedServer, http: Http, unique_name: str
) -> None:
    asker, watcher = managed.http("a-management", "sesame"), managed.http("a-monitoring", "sesame")
    with (
        connected(managed, unique_name) as theirs,
        connected(managed, unique_name + " own", "a-management", "sesame") as own,
    ):
        busy(theirs)
        busy(own)
        name, own_name = find(http, unique_name)["name"], find(http, unique_name + " own")["name"]
        refused = {"error": "not_authorised", "reason": "User not authorised to access object"}
        for path in (
            f"/api/connections/{of(name)}",
            f"/api/connections/{of(name, 'channels')}",
            f"/api/connections/{of(name, 'sessions')}",
            f"/api/channels/{of(f'{name} (1)')}",
            "/api/connections/username/guest",
        ):
            answer = asker("GET", path)
            assert (answer.status, answer.json) == (401, refused), path
            assert watcher("GET", path).status in (200, 400), path

        def own_user(row: Row) -> object:
            return row.get("user") or row["channel_details"]["user"]

        for path in (
            "/api/connections",
            "/api/vhosts/%2F/connections",
            "/api/channels",
            "/api/vhosts/%2F/channels",
            "/api/consumers",
            "/api/consumers/%2F",
        ):
            assert {own_user(row) for row in asker.get(path)} == {"a-management"}, path
            assert {"a-management", "guest"} <= {own_user(row) for row in watcher.get(path)}, path
        # A monitor sees all, and closes nothing that is not his own.
        for client in (asker, watcher):
            for path in (f"/api/connections/{of(name)}", "/api/connections/username/guest"):
                assert client("DELETE", path).status == 401
        assert asker("DELETE", f"/api/connections/{of(own_name)}").status == 204
        with pytest.raises(ConnectionClosedByBroker):
            own.process_data_events(30)
        theirs.process_data_events(0)
        assert theirs.is_open


@pytest.mark.parametrize(
    "path",
    [
        "/api/connections/nope",
        "/api/connections/nope/channels",
        "/api/connections/nope/sessions",
        "/api/channels/nope",
        "/api/channels/nope%20(1)",
        "/api/channels/nope%20(99999999999999999999)",
        "/api/vhosts/nope/connections",
        "/api/vhosts/nope/channels",
        "/api/consumers/nope",
        "/api/auth/attempts/nope",
        "/api/auth/attempts/nope/source",
        "/api/connections/%FF%00%0A",
    ],
)
def test_what_is_not_there_is_not_found(http: Http, path: str) -> None:
    answer = http("GET", path)
    assert (answer.status, answer.json) == (404, {"error": "Object Not Found", "reason": "Not Found"})


def test_a_virtual_host_that_is_closed_to_the_user_is_refused(managed: ManagedServer) -> None:
    asker = managed.http("a-management", "sesame")
    for path in ("/api/vhosts/other/connections", "/api/vhosts/other/channels", "/api/consumers/other"):
        assert asker("GET", path).status == 401


def test_nobody_without_a_tag_sees_connections(managed: ManagedServer) -> None:
    nobody = managed.http("a-nobody", "sesame")
    for path in ("/api/connections", "/api/channels", "/api/consumers", "/api/connections/username/a-nobody"):
        assert nobody("GET", path).status == 401


def test_lists_come_in_pages_with_the_columns_that_are_asked_for(
    managed: ManagedServer, http: Http, unique_name: str
) -> None:
    with connected(managed, unique_name) as connection:
        busy(connection)
        name = find(http, unique_name)["name"]
        page = http.get(f"/api/connections?page=1&page_size=1&name={quote(name, safe='')}&columns=name,channels")
        assert (page["filtered_count"], page["items"]) == (1, [{"name": name, "channels": 2}])
        found = http.get("/api/channels?sort=messages_unacknowledged&sort_reverse=true&columns=name")
        assert found[0] == {"name": f"{name} (1)"}


def test_what_a_client_says_of_itself_is_kept_up_to_a_size(
    managed: ManagedServer, http: Http, unique_name: str
) -> None:
    deep: dict[str, Any] = {}
    for _ in range(30):
        deep = {"deeper": deep}
    parameters = pika.ConnectionParameters(
        "127.0.0.1",
        managed.port,
        client_properties={
            "connection_name": unique_name,
            "long": "x" * 3_000,
            "deep": deep,
            **{f"key {number}": "y" * 10 for number in range(150)},
        },
    )
    connection = pika.BlockingConnection(parameters)
    try:
        properties = find(http, unique_name)["client_properties"]
    finally:
        connection.close()
    assert len(properties["long"]) == 1_000
    assert 10 < len(properties) < 100
    assert len(str(properties)) < 16 << 10


def test_log_ins_are_counted_by_protocol_and_by_who_tried(managed: ManagedServer, http: Http, unique_name: str) -> None:
    node = managed.management.context.node
    path = f"/api/auth/attempts/{quote(node)}"
    assert http("DELETE", path).status == 204
    with connected(managed, unique_name):
        pass
    wrong = managed.http("a-monitoring", "wrong")
    assert wrong("GET", "/api/connections").status == 401
    found = {row.pop("protocol"): row for row in http.get(path)}
    assert found["amqp091"] == {
        "auth_attempts": 1,
        "auth_attempts_failed": 0,
        "auth_attempts_succeeded": 1,
        "auth_attempts_blocked": 0,
    }
    assert found["http"]["auth_attempts_failed"] == 1
    sources = http.get(f"{path}/source")
    (tried,) = [row for row in sources if row["username"] == "a-monitoring" and row["protocol"] == "http"]
    assert (tried["remote_address"], tried["auth_attempts_failed"]) == ("127.0.0.1", 1)
    watcher = managed.http("a-monitoring", "sesame")
    assert watcher("GET", path).status == 200
    assert watcher("DELETE", path).status == 401
    assert managed.http("a-management", "sesame")("GET", path).status == 401
    assert http("DELETE", f"{path}/source").status == 204
    assert {row["username"] for row in http.get(f"{path}/source")} == {"guest"}
