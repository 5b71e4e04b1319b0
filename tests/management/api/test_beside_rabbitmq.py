"""What a RabbitMQ answers is answered here, field by field, of the same queues, exchanges and messages.

With a RabbitMQ that has the management plugin:

    BATONMQ_TEST_RABBITMQ_MANAGEMENT=http://guest:guest@127.0.0.1:15672 make test ARGS=tests/management/api
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.managed import Http, ManagedServer
from tests.support.shop import shop
from tests.support.waiting import until

RABBITMQ = os.environ.get("BATONMQ_TEST_RABBITMQ_MANAGEMENT", "")
PREFIX = "beside-"

pytestmark = pytest.mark.skipif(not RABBITMQ, reason="BATONMQ_TEST_RABBITMQ_MANAGEMENT names no RabbitMQ")

SAMPLES = "lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5&data_rates_age=60&data_rates_incr=5"
PATHS = (
    "overview",
    f"overview?{SAMPLES}",
    "nodes",
    f"queues/%2F/{PREFIX}orders",
    f"queues/%2F/{PREFIX}orders?{SAMPLES}",
    f"queues/%2F/{PREFIX}plain",
    f"queues/%2F/{PREFIX}idle",
    f"queues/%2F/{PREFIX}mine",
    f"queues/%2F/{PREFIX}none",
    f"queues/%2F/{PREFIX}orders/bindings",
    "queues/none",
    f"queues?page=1&name={PREFIX}&sort=messages",
    f"queues?page=1&name={PREFIX}&disable_stats=true&enable_queue_totals=true",
    f"exchanges/%2F/{PREFIX}events",
    "exchanges/%2F/amq.default",
    "exchanges/%2F//",
    f"exchanges/%2F/{PREFIX}events/bindings/source",
    f"exchanges/%2F/{PREFIX}other/bindings/destination",
    f"exchanges/%2F/{PREFIX}none",
    f"bindings/%2F/e/{PREFIX}events/q/{PREFIX}orders",
    f"bindings/%2F/e/{PREFIX}events/q/{PREFIX}orders/order.%2523",
    f"bindings/%2F/e/{PREFIX}events/q/{PREFIX}orders/~",
    f"bindings/%2F/e/{PREFIX}events/q/{PREFIX}orders/none",
    f"bindings/%2F/e/{PREFIX}none/q/{PREFIX}orders",
    f"bindings/%2F/e/{PREFIX}events/e/{PREFIX}other",
    "vhosts/%2F",
    f"vhosts/%2F?{SAMPLES}",
    "vhosts/none",
)

# docs/management.md says why.
NOT_ANSWERED = re.compile(
    r"message_bytes$|message_bytes_(unacknowledged|persistent)|messages_persistent|idle_since|backing_queue_status"
    r"|garbage_collection|reductions|recoverable_slaves|storage_version|internal_owner|user_who_performed_action"
    r"|disk_(reads|writes)|\.(io|mnesia|msg_store|queue_index|gc_bytes|ra_open|metrics_gc)_|socket_opts|cowboy_opts"
    r"|items\[\]\.(exclusive_consumer_tag|single_active_consumer_tag|operator_policy|head_message_timestamp)"
    r"|contexts\[\]\.protocol|config_files|cluster_state|x-queue-type|\.online$|release_series|consumer_timeout"
)


def kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "number" if isinstance(value, int | float) else type(value).__name__


def fields(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """The path of each field, and what is there."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from fields(inner, f"{path}.{name}")
    elif isinstance(value, list) and value:
        for inner in value:
            yield from fields(inner, f"{path}[]")
    else:
        yield path, kind(value)


def counted(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """All that ``message_stats`` counts."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "message_stats" and isinstance(inner, dict):
                yield from ((f"{path}.{what}", much) for what, much in inner.items() if isinstance(much, int))
            else:
                yield from counted(inner, f"{path}.{name}")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Any]]:
    """Of each path RabbitMQ's answer and ours."""
    folder: Path = tmp_path_factory.mktemp("beside")
    theirs = urlsplit(RABBITMQ)
    with ManagedServer(folder) as server:
        ours = _answers(server.http(), server.port)
    with Http(theirs.port or 15672, theirs.username, theirs.password or "", theirs.hostname or "") as http:
        listeners = http.get("/api/overview")["listeners"]
        port = next(one["port"] for one in listeners if one["protocol"] == "amqp")
        return {path: (found, ours[path]) for path, found in _answers(http, port).items()}


def _answers(http: Http, port: int) -> dict[str, Any]:
    with shop(port, PREFIX) as opened:

        def is_counted() -> bool:
            # RabbitMQ counts some seconds later.
            opened.turn(0.1)
            row = http.get(f"/api/queues/%2F/{PREFIX}orders")
            stats = http.get(f"/api/queues/%2F/{PREFIX}plain").get("message_stats", {})
            return bool(row.get("messages") == 7) and stats.get("deliver_no_ack") == 6

        until(is_counted)
        opened.turn(6)
        # RabbitMQ 4 has closed it by now; the next request connects again.
        http.close()
        return {path: http("GET", f"/api/{path}") for path in PATHS}


@pytest.mark.parametrize("path", PATHS)
def test_a_path(answers: dict[str, tuple[Any, Any]], path: str) -> None:
    theirs, ours = answers[path]
    assert ours.status == theirs.status
    expected, found = dict(fields(theirs.json)), dict(fields(ours.json))
    missing = {
        name
        for name, what in expected.items()
        if name not in found
        # An empty list or object there is something here.
        and not (what in ("list", "dict") and any(other.startswith(name) for other in found))
        and not NOT_ANSWERED.search(name)
    }
    assert not missing
    # Nothing may stand for anything.
    others = {
        name: (what, found[name])
        for name, what in expected.items()
        if name in found and found[name] != what and "NoneType" not in (what, found[name])
    }
    assert not {name: both for name, both in others.items() if not NOT_ANSWERED.search(name)}


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith(("queues/%2F/", "exchanges/%2F/beside"))])
def test_what_is_counted(answers: dict[str, tuple[Any, Any]], path: str) -> None:
    theirs, ours = answers[path]
    assert dict(counted(ours.json)) == dict(counted(theirs.json))
