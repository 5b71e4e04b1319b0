"""What deploy/ has for Prometheus and Grafana asks for what there is, and a real Prometheus gets answers."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pika
import pytest
import yaml
from tests.support.managed import Http, ManagedServer, a_config
from tests.support.waiting import until

from batonmq.management.metrics.scrape import GROUPS
from batonmq.server.config import PrometheusConfig
from batonmq.server.config_file import parse_config

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SCRAPED = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "batonmq.json").read_text(encoding="utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
NAME = re.compile(r"\b(?:rabbitmq|batonmq)_[a-z_0-9]+")
DETAILED = next(job for job in SCRAPED["scrape_configs"] if job.get("metrics_path") == "/metrics/detailed")
FAMILIES = DETAILED["params"]["family"]
# What RabbitMQ's dashboard RabbitMQ-Overview asks for, of 3.10 and of 4.
OVERVIEW = [
    "build_info",
    "identity_info",
    "connections",
    "channels",
    "consumers",
    "queues",
    "queue_messages_ready",
    "queue_messages_unacked",
    "queue_messages_published_total",
    "channel_consumers",
    "channel_messages_published_total",
    "channel_messages_confirmed_total",
    "channel_messages_unconfirmed",
    "channel_messages_unroutable_dropped_total",
    "channel_messages_unroutable_returned_total",
    "channel_messages_delivered_total",
    "channel_messages_delivered_ack_total",
    "channel_messages_redelivered_total",
    "channel_messages_acked_total",
    "channel_get_total",
    "channel_get_ack_total",
    "channel_get_empty_total",
    "global_publishers",
    "global_consumers",
    "global_messages_received_total",
    "global_messages_received_confirm_total",
    "global_messages_confirmed_total",
    "global_messages_routed_total",
    "global_messages_unroutable_dropped_total",
    "global_messages_unroutable_returned_total",
    "global_messages_delivered_total",
    "global_messages_redelivered_total",
    "global_messages_delivered_consume_auto_ack_total",
    "global_messages_delivered_consume_manual_ack_total",
    "global_messages_delivered_get_auto_ack_total",
    "global_messages_delivered_get_manual_ack_total",
    "global_messages_acknowledged_total",
    "global_messages_get_empty_total",
    "resident_memory_limit_bytes",
    "process_resident_memory_bytes",
    "disk_space_available_bytes",
    "disk_space_available_limit_bytes",
    "process_max_fds",
    "process_open_fds",
    "process_max_tcp_sockets",
    "process_open_tcp_sockets",
    "queues_declared_total",
    "queues_created_total",
    "queues_deleted_total",
    "channels_opened_total",
    "channels_closed_total",
    "connections_opened_total",
    "connections_closed_total",
    "unreachable_cluster_peers_count",
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    config = a_config(prometheus=PrometheusConfig(port=0))
    with ManagedServer(tmp_path_factory.mktemp("served"), config) as server:
        yield server


@pytest.fixture(scope="module")
def names(served: ManagedServer) -> frozenset[str]:
    """The names of all samples and families that Prometheus sees by our configuration."""
    query = "&".join(f"family={family}" for family in FAMILIES)
    with pika.BlockingConnection(pika.URLParameters(served.url)) as connection, Http(served.ports["metrics"]) as http:
        connection.channel().queue_declare("q")
        text = "".join(http("GET", path).body.decode() for path in ("/metrics", f"/metrics/detailed?{query}"))
    declared = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    return frozenset([*declared, *re.findall(r"^([a-z_0-9]+)[{ ]", text, re.MULTILINE)])


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_of_the_dashboard_asks_for_what_there_is(query: str, names: frozenset[str]) -> None:
    asked = set(NAME.findall(query))
    assert asked
    assert asked <= names


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_each_alert_asks_for_what_there_is(rule: dict[str, Any], names: frozenset[str]) -> None:
    assert set(NAME.findall(rule["expr"])) <= names


@pytest.mark.parametrize("name", OVERVIEW)
def test_rabbitmqs_dashboard_finds_its_metrics(name: str, names: frozenset[str]) -> None:
    assert f"rabbitmq_{name}" in names


def test_the_dashboard_is_what_its_script_makes() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "dashboard.py"), "--check"]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""


def test_the_families_that_are_scraped_are_known() -> None:
    assert set(FAMILIES) <= GROUPS


def test_the_files_of_compose_are_there_and_fit_together() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists()
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    config = parse_config((DEPLOY / "compose.toml").read_text(encoding="utf-8"), "compose.toml")
    # The image has its own configuration where the compose file puts another.
    dockerfile = (DEPLOY / compose["services"]["batonmq"]["build"] / "Dockerfile").read_text(encoding="utf-8")
    mounted = {volume.split(":")[1] for volume in compose["services"]["batonmq"]["volumes"]}
    assert mounted == {"/etc/batonmq/batonmq.toml", config.server.data}
    assert all(path in dockerfile for path in (*mounted, str(config.prometheus.port)))
    targets = {
        target for job in SCRAPED["scrape_configs"] for one in job["static_configs"] for target in one["targets"]
    }
    assert targets == {f"batonmq:{config.prometheus.port}"}
    assert config.server.data == "/var/lib/batonmq"
    assert not config.server.guest
    provisioned = DEPLOY / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioned / "datasources" / "prometheus.yaml").read_text(encoding="utf-8"))
    assert sources["datasources"][0]["url"] == "http://prometheus:9090"


# ---------------------------------------------------------------------- with Prometheus itself


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing: Debian has it in the package prometheus")
    return found


def checked(*command: str, text: str = "", folder: Path | None = None) -> None:
    run = subprocess.run(command, input=text, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def test_promtool_finds_no_fault() -> None:
    promtool = tool("promtool")
    checked(promtool, "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))
    checked(promtool, "check", "rules", str(DEPLOY / "prometheus" / "alerts.yml"))


def test_alerts_come_when_they_should(tmp_path: Path) -> None:
    promtool = tool("promtool")
    shutil.copy(DEPLOY / "prometheus" / "alerts.yml", tmp_path)
    shutil.copy(Path(__file__).parent / "alerts.test.yml", tmp_path)
    checked(promtool, "test", "rules", "alerts.test.yml", folder=tmp_path)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/per-object", "/metrics/detailed?family=queue_metrics"])
def test_promtool_finds_no_fault_in_what_is_told(served: ManagedServer, path: str) -> None:
    promtool = tool("promtool")
    with Http(served.ports["metrics"]) as http:
        text = http("GET", path).body.decode()
    # A name of RabbitMQ's that Prometheus' rules would not have.
    kept = [line for line in text.splitlines() if "rabbitmq_unreachable_cluster_peers_count" not in line]
    checked(promtool, "check", "metrics", text="\n".join(kept) + "\n")


class Prometheus:
    """A client of one that runs."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401  (whatever JSON says)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def ask(self, query: str) -> list[float]:
        """The values of the series that it answers."""
        answer = self.get("/api/v1/query", query=query)
        assert answer["status"] == "success", answer
        return [float(series["value"][1]) for series in answer["data"]["result"]]

    def health(self) -> list[str]:
        """Of each rule."""
        groups = self.get("/api/v1/rules")["data"]["groups"]
        return [rule["health"] for group in groups for rule in group["rules"]]

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """A real one, with our configuration, that scrapes this target each second."""
    program = tool("prometheus")
    config = json.loads(json.dumps(SCRAPED))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job in config["scrape_configs"]:
        job["scrape_interval"] = "1s"
        job["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    shutil.copy(DEPLOY / "prometheus" / "alerts.yml", folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as process:
        try:
            client = Prometheus(port)
            until(client.is_ready)
            yield client
        finally:
            process.terminate()


def filled(query: str) -> str:
    """A query of the dashboard, as Grafana would ask it."""
    return query.replace("$__rate_interval", "5s").replace("$instance", ".*")


def test_a_real_prometheus_answers_the_dashboard_the_alerts_and_rabbitmqs_queries(
    served: ManagedServer, tmp_path: Path
) -> None:
    with prometheus(tmp_path, f"127.0.0.1:{served.ports['metrics']}") as asked:
        with pika.BlockingConnection(pika.URLParameters(served.url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("work")
            channel.queue_declare("idle")
            for _ in range(2):
                channel.basic_publish("", "idle", b"x")
            # Held, so that a scrape sees one that is.
            channel.basic_get("idle")
            channel.basic_consume("work", lambda channel, method, *_: channel.basic_ack(method.delivery_tag))

            def has_moved() -> bool:
                for _ in range(20):
                    channel.basic_publish("", "work", b"x")
                connection.process_data_events(0.2)
                rates = asked.ask(filled("sum(rate(rabbitmq_global_messages_acknowledged_total[$__rate_interval]))"))
                return bool(rates) and rates[0] > 0 and bool(asked.ask("rabbitmq_detailed_queue_messages_ready"))

            # Nothing has died, and the rest has an answer, once all places were scraped after that.
            empty: list[str] = []

            def is_answered() -> bool:
                empty[:] = [query for query in QUERIES if "dead_lettered" not in query and not asked.ask(filled(query))]
                return not empty

            with contextlib.suppress(AssertionError):
                until(lambda: has_moved() and is_answered())
        assert empty == []
        joined = (
            "* on(instance) group_left(rabbitmq_cluster)"
            ' rabbitmq_identity_info{rabbitmq_cluster=~"batonmq.*", namespace=""}'
        )
        for query, least in (
            (f"sum(rabbitmq_queue_messages_ready {joined})", 1),
            (f"sum(rate(rabbitmq_channel_messages_published_total[60s]) {joined})", 0.01),
            (f"sum(rabbitmq_queues {joined})", 2),
            (f"rabbitmq_build_info {joined}", 1),
        ):
            values = asked.ask(query)
            assert len(values) == 1, query
            assert values[0] >= least, query
        until(lambda: set(asked.health()) == {"ok"})
        assert len(asked.health()) == len(RULES)
        targets = asked.get("/api/v1/targets")["data"]["activeTargets"]
        assert [target["lastError"] for target in targets] == ["", ""]
