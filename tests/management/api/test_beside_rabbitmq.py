"""RabbitMQ and BatonMQ show the same clients: the same fields, and the same values where they can be the same.

Needs RabbitMQs with management, named by BATONMQ_TEST_RABBITMQ_API: for each the URL of its API and its port of AMQP,
as ``http://guest:guest@127.0.0.1:15672#5672``, separated by spaces. What differs is in tables here, with the reason.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import pika
import pytest
from pika.exceptions import ConnectionClosedByBroker
from tests.support.managed import Http, ManagedServer
from tests.support.waiting import until

PEERS = "BATONMQ_TEST_RABBITMQ_API"

# What only Erlang and RabbitMQ's own replication have.
ERLANG = {"garbage_collection", "reductions", "reductions_details", "pending_raft_commands", "cached_segments"}
# By whom queues and exchanges deliver and publish is counted there for each; here, for each channel.
BY_TARGET = {"deliveries", "publishes"}
# When RabbitMQ calls a channel idle is its own affair; here, when a sample has not moved.
IDLE = {"idle_since"}
# RabbitMQ 3.10 has none of these, 4.3 has the serial number and the timeout, and no global prefetch.
OF_ONE = {"peer_cert_serial_number", "consumer_timeout", "global_prefetch_count", "user_who_performed_action"}

# What is another on each broker, or by chance.
OWN = {
    "channel_max", "connected_at", "connection_name", "name", "node", "peer_port", "port", "recv_cnt", "recv_oct",
    "send_cnt", "send_oct",
}  # fmt: skip


@dataclass
class Side:
    http: Http
    port: int


@pytest.fixture(params=os.environ.get(PEERS, "").split() or [""])
def both(request: pytest.FixtureRequest, managed: ManagedServer) -> Iterator[tuple[Side, Side]]:
    url = urlsplit(request.param)
    if not url.netloc:
        pytest.skip(f"{PEERS} names no RabbitMQ")
    theirs = Http(url.port or 15672, url.username, url.password or "", url.hostname or "")
    ours = Http(managed.http_port)
    with theirs, ours:
        yield Side(theirs, int(url.fragment)), Side(ours, managed.port)


@pytest.fixture
def clients(both: tuple[Side, Side], unique_name: str) -> Iterator[list[Any]]:
    """The same client at both."""
    connections = []
    for side in both:
        parameters = pika.ConnectionParameters(
            "127.0.0.1", side.port, client_properties={"connection_name": unique_name}, heartbeat=30
        )
        connection = pika.BlockingConnection(parameters)
        connections.append(connection)
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=7)
        channel.queue_declare(unique_name, exclusive=True)
        for _ in range(3):
            channel.basic_publish("", unique_name, b"x")
        channel.basic_consume(unique_name, lambda *_: None, consumer_tag=unique_name, arguments={"x-priority": 3})
        connection.process_data_events(0.1)
    yield connections
    for connection in connections:
        if connection.is_open:
            connection.close()


def found(side: Side, path: str, text: str) -> dict[str, Any]:
    """The one of a list that holds this text; nothing: it is not there yet."""
    rows = [row for row in side.http.get(path) if text in str(row)]
    return dict(rows[0]) if len(rows) == 1 else {}


def name_of(side: Side, name: str) -> str:
    """The broker's name of the connection that its client calls so."""
    until(lambda: found(side, "/api/connections", name))
    return str(found(side, "/api/connections", name)["name"])


def assert_same(look: Callable[[], tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """RabbitMQ shows some of it when its next statistics have come, seconds later."""
    ends = time.monotonic() + 20.0
    while differences := same(*look(), ERLANG | BY_TARGET | IDLE | OF_ONE):
        assert time.monotonic() < ends, differences
        time.sleep(0.2)


def same(theirs: Any, ours: Any, ignored: set[str], where: str = "") -> list[str]:  # noqa: ANN401
    """What differs."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        differences = []
        for key in sorted((theirs.keys() | ours.keys()) - ignored):
            if key not in theirs or key not in ours:
                differences.append(f"{where}.{key} is {'missing' if key in theirs else 'more'}")
            else:
                differences += same(theirs[key], ours[key], ignored, f"{where}.{key}")
        return differences
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        pairs = zip(theirs, ours, strict=True)
        return [each for at, (one, other) in enumerate(pairs) for each in same(one, other, ignored, f"{where}.{at}")]
    if where.rpartition(".")[2] in OWN | {"rate"}:
        return [] if isinstance(ours, int | float) == isinstance(theirs, int | float) else [f"{where} is {ours!r}"]
    return [] if theirs == ours else [f"{where} is {ours!r}, not {theirs!r}"]


@pytest.mark.usefixtures("clients")
@pytest.mark.parametrize("path", ["/api/connections", "/api/vhosts/%2F/connections", "/api/channels", "/api/consumers"])
def test_lists_show_the_same(both: tuple[Side, Side], unique_name: str, path: str) -> None:
    texts = [f"{name_of(side, unique_name)} (1)" if "channels" in path else unique_name for side in both]
    assert_same(lambda: (found(both[0], path, texts[0]), found(both[1], path, texts[1])))


@pytest.mark.usefixtures("clients")
def test_one_channel_is_described_the_same(both: tuple[Side, Side], unique_name: str) -> None:
    theirs, ours = (f"/api/channels/{quote(f'{name_of(side, unique_name)} (1)', safe='')}" for side in both)
    until(lambda: both[0].http("GET", theirs).status == 200)
    assert_same(lambda: (both[0].http.get(theirs), both[1].http.get(ours)))


def test_a_connection_is_closed_with_the_same_words(
    both: tuple[Side, Side], clients: list[Any], unique_name: str
) -> None:
    said = []
    for side, connection in zip(both, clients, strict=True):
        path = f"/api/connections/{quote(name_of(side, unique_name), safe='')}"
        answer = side.http("DELETE", path, headers={"X-Reason": "because I can"})
        with pytest.raises(ConnectionClosedByBroker) as closed:
            connection.process_data_events(30)
        said.append((answer.status, answer.body, closed.value.reply_code, closed.value.reply_text))
        until(lambda side=side, path=path: side.http("GET", path).status == 404)  # type: ignore[misc]
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for method in ("GET", "DELETE")
        for path in (
            "/api/connections/nope",
            "/api/connections/username/nobody-of-this-name",
            "/api/channels/nope",
            "/api/consumers/nope",
            "/api/vhosts/nope/connections",
            "/api/vhosts/nope/channels",
            "/api/connections",
            "/api/auth/attempts/nope",
        )
    ],
)
def test_what_is_not_there_is_answered_the_same(both: tuple[Side, Side], method: str, path: str) -> None:
    theirs, ours = (side.http(method, path) for side in both)
    assert ours.status == theirs.status
    if theirs.body and theirs.status == 404:
        assert ours.json == theirs.json
