"""What stands in RabbitMQ's lists of metrics: the same names, types and labels, or a reason why not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pika
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.managed import Http, ManagedServer

from batonmq.management.metrics.scrape import GROUPS

# What BatonMQ does not tell, and why.
NOT_TOLD = {
    r"erlang_(?!uptime|process_bytes)": "there is no Erlang",
    r"process_reductions_total": "there is no Erlang",
    r"_io_(?!sync)": "SQLite reads and writes",
    r"schema_db|msg_store|queue_index|queue_disk_": "there is one store, and batonmq_store_ tells of it",
    r"message_size_bytes": "it would cost something for each message",
    r"messages_persistent": "persistent messages are not counted apart",
    r"messages_unacked_bytes": "the octets of held messages are not counted",
    r"consumer_(capacity|utilisation)": "whether a consumer waits is not measured",
    r"head_message_timestamp": "the first message may be on disk",
    r"global_messages_dead_lettered": "batonmq_queue_ tells of them",
    r"exchange_messages_confirmed": "confirms are counted by channel",
    r"queue_exchange_messages_published": "exchanges and queues are counted for themselves",
    r"auth_attempts_detailed": "RabbitMQ has to be told to count them, and management tells them",
    r"queue_info": "membership is of clusters",
    r"^rabbitmq_memory_(?!classic_queue_erlang_process|other_system)": "Python does not tell what its memory is for",
}
# Of 3.10, and only in /metrics there; of the plugin rabbitmq_shovel_prometheus, without which the lists were taken.
SHOVELS = {"rabbitmq_shovel_dynamic", "rabbitmq_shovel_static"}
ELSEWHERE = {"rabbitmq_alarms_file_descriptor_limit", *SHOVELS, *(one.replace("_", "_detailed_", 1) for one in SHOVELS)}


class Listed(NamedTuple):
    list: str
    name: str
    type: str
    labels: frozenset[str]


def listed(which: str) -> dict[str, Listed]:
    found = {}
    for line in (Path(__file__).parent / "rabbitmq.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            where, name, kind, labels, _, _ = line.split()
            if where == which:
                found[name] = Listed(where, name, kind, frozenset(labels.split(",")) - {"-"})
    return found


def ours(text: str) -> Iterator[Listed]:
    for family in text_string_to_metric_families(text):
        labels = frozenset(name for sample in family.samples for name in sample.labels) - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield Listed("", name, "untyped" if family.type == "unknown" else family.type, labels)


@pytest.fixture
def busy(managed: ManagedServer, unique_name: str) -> Iterator[None]:
    """Something of each kind, so that there are samples."""
    with pika.BlockingConnection(pika.URLParameters(managed.url)) as connection:
        channel = connection.channel()
        channel.queue_declare(unique_name)
        channel.basic_consume(unique_name, lambda *_: None)
        channel.basic_publish("", unique_name, b"x")
        connection.process_data_events(0.1)
        yield
        channel.queue_delete(unique_name)


PATHS = {
    "aggregated": "/metrics",
    "per-object": "/metrics/per-object",
    "detailed": "/metrics/detailed?" + "&".join(f"family={group}" for group in sorted(GROUPS)),
    "memory-breakdown": "/metrics/memory-breakdown",
}


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("which", PATHS)
def test_names_types_and_labels_are_those_of_rabbitmq(http: Http, which: str) -> None:
    answer = http("GET", PATHS[which])
    assert answer.status == 200
    there = {one.name: one for one in ours(answer.body.decode()) if not one.name.startswith("batonmq_")}
    theirs = listed(which)
    assert set(there) - set(theirs) <= ELSEWHERE
    for name, one in there.items():
        if name not in ELSEWHERE:
            assert one.type == theirs[name].type, name
            assert one.labels <= theirs[name].labels, name
    not_told = {name for name in set(theirs) - set(there) if not any(re.search(why, name) for why in NOT_TOLD)}
    assert not not_told


def test_there_is_a_reason_for_nothing_that_is_told(http: Http) -> None:
    told = [one.name for which in PATHS for one in ours(http("GET", PATHS[which]).body.decode())]
    for why in NOT_TOLD:
        assert not [name for name in told if re.search(why, name)], why
        assert [name for which in PATHS for name in listed(which) if re.search(why, name)], f"{why}: what is that?"
