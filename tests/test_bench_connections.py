"""The bench with many connections, what is held, and what shares a file: real brokers and processes, no figures."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
from bench import connections, costs, embedded_processes, load
from bench.brokers import Baton
from bench.failures import BenchError
from bench.holding import Held

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("programs")
    for name in ("manyload", "holdload"):
        load.build(folder, name, "-Wall", "-Wextra", "-Werror")
    return folder


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Baton]:
    with Baton(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


def _counts(broker: Baton, queue: str) -> tuple[int, int]:
    """How many messages wait in it, and how many consumers it has."""
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        declared = connection.channel().queue_declare(queue, passive=True).method
        return declared.message_count, declared.consumer_count


@pytest.mark.parametrize(
    ("name", "producers", "consumers", "queues", "fanout"),
    [("few", 3, 2, 1, 0), ("many", 5, 10, 5, 0), ("fan", 2, 2, 7, 1)],
)
def test_all_that_many_publish_is_consumed_and_acknowledged(
    programs: Path, broker: Baton, name: str, producers: int, consumers: int, queues: int, fanout: int
) -> None:
    keys: dict[str, str | int] = {"producers": producers, "consumers": consumers, "queues": queues, "fanout": fanout}
    found = load.run(
        programs / "manyload", port=broker.port, name=name, count=101, confirm=7, size=100, persistent=1, **keys
    )
    assert found.published
    assert found.consumed is not None
    assert found.consumed >= found.published * (queues if fanout else 1) * 0.9
    assert [_counts(broker, f"{name}-{queue}")[0] for queue in range(queues)] == [0] * queues


def test_what_is_held_is_there_until_it_is_let_go(programs: Path, broker: Baton) -> None:
    for what in costs.KINDS:
        with Held(programs / "holdload", broker.port, what, 12):
            if what == "consumers":
                assert _counts(broker, "hold-consumers") == (0, 12)
            if what == "queues":
                assert _counts(broker, "hold-queues-11") == (0, 0)
    assert _counts(broker, "hold-consumers") == (0, 0)


def test_what_cannot_be_held_is_told(programs: Path, broker: Baton) -> None:
    with pytest.raises(BenchError, match="what=foxes: connections, channels, queues, consumers or bindings"):
        Held(programs / "holdload", broker.port, "foxes", 1)


def test_scenarios_of_many_connections_ask_for_what_they_are_named_after() -> None:
    names = {scenario.name for scenario in connections.SCENARIOS}
    assert len(names) == len({scenario.queue for scenario in connections.SCENARIOS}) == len(connections.SCENARIOS)
    for scenario in connections.SCENARIOS:
        assert scenario.persistent == ("not persistent" not in scenario.name)
        assert f"{scenario.producers} producer" in scenario.name or scenario.fanout
        assert scenario.deliveries(3) == (3000 if scenario.fanout else 3)
        assert str(scenario.idle or "") in scenario.name


def test_a_line_leads_on() -> None:
    assert costs.extrapolated(10, 100, 20, 150, 100) == 550


# Several processes on one file


def test_several_processes_put_all_messages_through_one_file(tmp_path: Path) -> None:
    assert embedded_processes.measure("batonmq", tmp_path, 10) > 0


def test_a_process_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(BenchError, match="batonmq: a process of 4 on one file did not start"):
        embedded_processes.measure("batonmq", tmp_path, 10)
