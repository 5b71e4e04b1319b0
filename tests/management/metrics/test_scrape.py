"""Metrics as Prometheus scrapes them: who may, in which format, and that the figures are right."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import msgspec
import pika
import pytest
import stomp
from pika.adapters.blocking_connection import BlockingChannel
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from tests.support.driven import HandClock
from tests.support.managed import Http, ManagedServer, a_config
from tests.support.markdown import ROOT
from tests.support.waiting import until

from batonmq.broker.model.counters import Counters
from batonmq.management.metrics.queues import OWN_COUNTERS
from batonmq.management.metrics.sums import Sums
from batonmq.server.config import ManagementConfig, PrometheusConfig

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(http: Http, path: str = "/metrics") -> Samples:
    answer = http("GET", path)
    assert answer.status == 200
    families = text_string_to_metric_families(answer.body.decode())
    found: Samples = {}
    for family in families:
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def value(http: Http, name: str, path: str = "/metrics", **labels: str) -> float:
    return samples(http, path)[name, frozenset(labels.items())]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    """A server of which nobody else counts anything, with a port for metrics."""
    config = a_config(prometheus=PrometheusConfig(port=0))
    with ManagedServer(tmp_path_factory.mktemp("alone"), config) as server:
        yield server


@pytest.fixture
def scraper(alone: ManagedServer) -> Iterator[Http]:
    with Http(alone.ports["metrics"], None) as http:
        yield http


@pytest.fixture
def channel(alone: ManagedServer) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(pika.URLParameters(alone.url)) as connection:
        yield connection.channel()


# ---------------------------------------------------------------------- who may, and how it is told


@pytest.mark.parametrize(
    ("user", "status"), [("a-administrator", 200), ("a-monitoring", 200), ("a-management", 401), ("a-nobody", 401)]
)
@pytest.mark.parametrize("path", ["/metrics", "/metrics/per-object", "/metrics/detailed", "/metrics/memory-breakdown"])
def test_on_the_port_of_management_a_user_needs_the_tag_monitoring(
    managed: ManagedServer, path: str, user: str, status: int
) -> None:
    assert managed.http(user, "sesame")("GET", path).status == status
    assert managed.http(None)("GET", path).status == 401


def test_the_port_of_metrics_needs_no_log_in_and_tells_nothing_else(scraper: Http, alone: ManagedServer) -> None:
    assert scraper("GET", "/metrics").status == 200
    assert scraper("HEAD", "/metrics").body == b""
    assert scraper("POST", "/metrics").status == 405
    assert scraper("GET", "/metrics/nothing").status == 404
    assert scraper("GET", "/api/overview").status == 404
    assert alone.http(None)("GET", "/metrics").status == 401


def test_metrics_can_be_public_and_of_each_object(tmp_path: Path) -> None:
    config = a_config(management=ManagementConfig(public_metrics=True), prometheus=PrometheusConfig(per_object=True))
    with ManagedServer(tmp_path, config) as server:
        assert "metrics" not in server.ports
        with pika.BlockingConnection(pika.URLParameters(server.url)) as connection:
            connection.channel().queue_declare("q")
            found = samples(server.http(None))
    assert found["rabbitmq_queue_messages", frozenset({("vhost", "/"), ("queue", "q")})] == 0


def test_the_format_is_what_the_client_takes(scraper: Http) -> None:
    plain = scraper("GET", "/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    for path in ("/metrics", "/metrics/per-object", "/metrics/detailed?family=queue_coarse_metrics"):
        open_metrics = scraper("GET", path, headers={"accept": OPENMETRICS})
        assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        text = open_metrics.body.decode()
        assert text.endswith("# EOF\n")
        assert text.count("# EOF") == 1
        assert list(read_openmetrics(text))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "query", ["family=nonsense", "family=", "vhost=nowhere&family=queue_metrics", "x=1", "family=%FF"]
)
def test_a_family_or_a_virtual_host_that_is_not_there_has_no_samples(scraper: Http, query: str) -> None:
    names = {name for name, _ in samples(scraper, f"/metrics/detailed?{query}")}
    assert names == {"rabbitmq_build_info", "rabbitmq_identity_info", "batonmq_build_info"}


def test_too_many_families_are_refused(scraper: Http) -> None:
    query = "&".join(f"family=f{number}" for number in range(101))
    answer = scraper("GET", f"/metrics/detailed?{query}")
    assert (answer.status, answer.json["error"]) == (400, "bad_request")


# ---------------------------------------------------------------------- the figures


def test_queues_channels_and_protocols_count_what_goes_through(
    scraper: Http, alone: ManagedServer, channel: BlockingChannel
) -> None:
    before = samples(scraper)
    channel.confirm_delivery()
    channel.queue_declare("in", durable=True)
    channel.queue_declare("dead", durable=True)
    channel.queue_delete("in")
    channel.queue_declare("in", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    for _ in range(6):
        channel.basic_publish("", "in", b"body")
    channel.basic_publish("", "nowhere", b"body")
    for _ in range(2):
        method, _, _ = channel.basic_get("in")
        channel.basic_ack(method.delivery_tag)
    channel.basic_get("in", auto_ack=True)
    method, _, _ = channel.basic_get("in")
    channel.basic_reject(method.delivery_tag, requeue=False)
    channel.basic_get("in")
    channel.queue_declare("in", passive=True)
    now = samples(scraper)

    def moved(name: str, **labels: str) -> float:
        key = name, frozenset(labels.items())
        return now[key] - before.get(key, 0.0)

    plain = {
        "rabbitmq_queue_messages_ready": 2,
        "rabbitmq_queue_messages_unacked": 1,
        "rabbitmq_queue_messages": 3,
        "rabbitmq_queue_messages_ready_bytes": 8,
        "rabbitmq_queues": 2,
        "rabbitmq_queues_declared_total": 3,
        "rabbitmq_queues_created_total": 3,
        "rabbitmq_queues_deleted_total": 1,
        "rabbitmq_queue_get_ack_total": 4,
        "rabbitmq_queue_get_total": 1,
        "rabbitmq_queue_messages_acked_total": 2,
        "rabbitmq_queue_messages_published_total": 6,
        "rabbitmq_exchange_messages_published_total": 7,
        "rabbitmq_exchange_messages_unroutable_dropped_total": 1,
        "rabbitmq_channel_messages_published_total": 7,
        "rabbitmq_channel_messages_confirmed_total": 7,
        "rabbitmq_channel_messages_acked_total": 2,
        "rabbitmq_channel_get_ack_total": 4,
        "rabbitmq_channel_get_total": 1,
        "rabbitmq_channel_messages_unacked": 1,
        "batonmq_queue_messages_entered_total": 7,
        "batonmq_queue_messages_rejected_total": 1,
        "batonmq_queue_messages_dead_lettered_total": 1,
    }
    assert {name: moved(name) for name in plain} == plain
    amqp = {"protocol": "amqp091"}
    assert moved("rabbitmq_global_messages_received_total", **amqp) == 7
    assert moved("rabbitmq_global_messages_received_confirm_total", **amqp) == 7
    assert moved("rabbitmq_global_messages_confirmed_total", **amqp) == 7
    assert moved("rabbitmq_global_messages_routed_total", **amqp) == 6
    assert moved("rabbitmq_global_messages_unroutable_dropped_total", **amqp) == 1
    assert now["rabbitmq_global_publishers", frozenset(amqp.items())] == 1
    delivered = "rabbitmq_global_messages_delivered_total"
    assert moved(delivered, **amqp, queue_type="rabbit_classic_queue") == 5
    assert moved("rabbitmq_global_messages_received_total", protocol="amqp10") == 0
    each = samples(scraper, "/metrics/per-object")
    assert each["rabbitmq_queue_messages_ready", frozenset({("vhost", "/"), ("queue", "in")})] == 1
    assert each["rabbitmq_queue_messages_ready", frozenset({("vhost", "/"), ("queue", "dead")})] == 1
    detailed = samples(scraper, "/metrics/detailed?family=queue_coarse_metrics&vhost=%2F")
    assert detailed["rabbitmq_detailed_queue_messages_unacked", frozenset({("vhost", "/"), ("queue", "in")})] == 1
    assert not [name for name, _ in detailed if "consumers" in name]


def test_deliveries_that_need_an_answer_are_told_apart(scraper: Http, channel: BlockingChannel) -> None:
    before = samples(scraper)
    channel.queue_declare("answered", auto_delete=True)
    channel.queue_declare("not-answered", auto_delete=True)
    for _ in range(3):
        channel.basic_publish("", "answered", b"x")
        channel.basic_publish("", "not-answered", b"x")
    taken: list[int] = []
    channel.basic_consume("answered", lambda _, method, *__: taken.append(method.delivery_tag))
    channel.basic_consume("not-answered", lambda _, method, *__: taken.append(method.delivery_tag), auto_ack=True)
    while len(taken) < 6:
        channel.connection.process_data_events(1)
    channel.basic_ack(taken[0])
    channel.queue_declare("answered", passive=True)
    now = samples(scraper)
    for kind in ("queue", "channel"):
        moved = {
            name: now[f"rabbitmq_{kind}_messages_{name}_total", frozenset()]
            - before[f"rabbitmq_{kind}_messages_{name}_total", frozenset()]
            for name in ("delivered_ack", "delivered", "redelivered", "acked")
        }
        assert moved == {"delivered_ack": 3, "delivered": 3, "redelivered": 0, "acked": 1}, kind
    of_client = {"protocol": "amqp091", "queue_type": "rabbit_classic_queue"}
    for name, count in (("consume_manual_ack", 3), ("consume_auto_ack", 3), ("get_auto_ack", 0)):
        key = f"rabbitmq_global_messages_delivered_{name}_total", frozenset(of_client.items())
        assert now[key] - before[key] == count
    assert now["rabbitmq_consumers", frozenset()] == now["rabbitmq_channel_consumers", frozenset()] == 2
    assert now["rabbitmq_global_consumers", frozenset({("protocol", "amqp091")})] == 2


def test_no_counter_falls_when_a_client_leaves(scraper: Http, alone: ManagedServer) -> None:
    client = stomp.Connection12([("127.0.0.1", alone.ports["stomp"])])
    client.connect("guest", "guest", wait=True)
    client.send("/queue/from-stomp", "x")
    with pika.BlockingConnection(pika.URLParameters(alone.url)) as connection:
        closed = connection.channel()
        closed.confirm_delivery()
        closed.queue_declare("left")
        closed.basic_publish("", "left", b"x")
        closed.close()
        until(lambda: value(scraper, "rabbitmq_global_messages_received_total", protocol="stomp") >= 1)
        before = samples(scraper)
    client.disconnect()
    until(lambda: value(scraper, "rabbitmq_connections") == 0)
    now = samples(scraper)
    fallen = {key for key, was in before.items() if key[0].endswith("_total") and now[key] < was}
    assert not fallen
    assert now["rabbitmq_connections_closed_total", frozenset()] >= 2


def test_refused_log_ins_and_the_store_are_told(scraper: Http, alone: ManagedServer, channel: BlockingChannel) -> None:
    refused = {"protocol": "amqp091"}
    key = "rabbitmq_auth_attempts_failed_total", frozenset(refused.items())
    before = samples(scraper)
    wrong = pika.PlainCredentials("guest", "wrong")
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", alone.port, credentials=wrong))
    channel.confirm_delivery()
    channel.queue_declare("kept", durable=True)
    channel.basic_publish("", "kept", b"x" * 5000, pika.BasicProperties(delivery_mode=2))
    now = samples(scraper)
    assert now[key] == before[key] + 1
    nothing: frozenset[tuple[str, str]] = frozenset()
    for name in ("batonmq_store_commit_seconds_count", "batonmq_turn_seconds_count", "batonmq_store_batch_bytes_count"):
        assert now[name, nothing] > before[name, nothing]
    assert now["batonmq_store_batch_bytes_sum", nothing] >= before["batonmq_store_batch_bytes_sum", nothing] + 5000
    assert now["batonmq_store_size_bytes", nothing] > 0
    assert now["batonmq_store_faulty", nothing] == now["rabbitmq_alarms_free_disk_space_watermark", nothing] == 0


def test_what_would_grow_with_a_leak_is_told(scraper: Http) -> None:
    held = [bytes(number % 250 + 1) for number in range(100_000)]
    nothing: frozenset[tuple[str, str]] = frozenset()
    # One of an earlier case may be about to end.
    until(lambda: samples(scraper)["batonmq_process_threads", nothing] == threading.active_count())
    before = samples(scraper)
    assert before["batonmq_event_loop_tasks", nothing] >= 1
    held.clear()
    assert samples(scraper)["batonmq_python_blocks", nothing] < before["batonmq_python_blocks", nothing] - 50_000


def test_sums_over_many_objects_are_kept_for_a_while() -> None:
    clock = HandClock()
    sums = Sums(clock)
    sums.keep("queues", [1, 2], 10_000)
    sums.keep("connections", [3], 10)
    assert sums.find("queues") == [1, 2]
    assert sums.find("exchanges") is None
    clock.now += 0.006
    assert sums.find("queues") == [1, 2]
    assert sums.find("connections") is None
    clock.now += 5
    assert sums.find("queues") is None


NAMES = ['a "quoted" one', "back\\slash", "new\nline", "grün", "\udcff\udcfe", "\udcff\udcfd", "{}=,", " "]


def test_any_name_of_a_queue_is_a_label(scraper: Http, alone: ManagedServer) -> None:
    async def declare() -> None:
        vhost = alone.server.broker.vhosts["/"]
        for name in NAMES:
            vhost.add_queue(name, durable=False, auto_delete=False, owner=None, arguments={})

    asyncio.run_coroutine_threadsafe(declare(), alone.loop).result()
    found = samples(scraper, "/metrics/detailed?family=queue_coarse_metrics")
    queues = {dict(labels).get("queue") for _, labels in found}
    shown = {name.encode(errors="backslashreplace").decode() for name in NAMES}
    assert shown <= queues


def test_ten_thousand_queues_do_not_hold_the_loop(tmp_path: Path) -> None:
    """Measured by the time that the loop's thread was at work: what else the machine does is no matter."""
    count = 10_000
    with ManagedServer(tmp_path) as server:
        held: list[float] = []

        async def prepare() -> None:
            vhost = server.server.broker.vhosts["/"]
            for number in range(count):
                vhost.add_queue(f"queue-{number}", durable=False, auto_delete=False, owner=None, arguments={})

        async def watch() -> None:
            last = time.thread_time()
            while True:
                await asyncio.sleep(0)
                now = time.thread_time()
                held.append(now - last)
                last = now

        asyncio.run_coroutine_threadsafe(prepare(), server.loop).result()
        http = server.http()
        watching = asyncio.run_coroutine_threadsafe(watch(), server.loop)
        answer = http("GET", "/metrics/per-object")
        total = http("GET", "/metrics")
        watching.cancel()
    assert answer.body.count(b"\nrabbitmq_queue_messages_ready{") == count
    assert f"rabbitmq_queues {count}\n".encode() in total.body
    # A slice takes 1 ms, and the collector of garbage comes by. On a busy machine all takes two or three times as long.
    assert sorted(held)[-3] < 0.01


def test_the_table_of_the_configuration_is_checked() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"port": "on"}, PrometheusConfig)


def test_each_counter_of_queues_has_a_metric_that_is_documented() -> None:
    of_rabbitmq = {
        "enqueued",
        "delivered",
        "delivered_no_ack",
        "fetched",
        "fetched_no_ack",
        "fetched_empty",
        "redelivered",
        "accepted",
    }
    assert {field.name for field in fields(Counters)} == of_rabbitmq | OWN_COUNTERS.keys()
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    assert [name for name in OWN_COUNTERS if f"_{name}_" not in page] == []
