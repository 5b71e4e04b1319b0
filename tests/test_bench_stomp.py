"""The bench's section `stomp`, without measuring: its scenarios, its client, and peers that take no part."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench import activemq, beside, brokers, load, report, stomp, stomp_client
from bench.beside import compare
from bench.brokers import Broker
from bench.failures import BenchError
from bench.report import Figure, Section, at_least, at_most
from bench.settings import Settings

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


# What the load generator is asked for, and prints


def test_stomp_scenarios_ask_for_what_they_are_named_after() -> None:
    asked = {scenario.name: scenario.keys(scenario.quick) for scenario in stomp.SCENARIOS}
    assert len({scenario.queue for scenario in stomp.SCENARIOS}) == len(stomp.SCENARIOS)
    for name, keys in asked.items():
        assert keys["persistent"] == int("not persistent" not in name and "persistent" in name)
        assert keys["receipt"] == (1000 if "window 1000" in name else 1 if "window 1" in name else 0)
        assert keys["size"] == (1024 if "1 KiB" in name else 16)
    assert [scenario.rate for scenario in stomp.SCENARIOS if not scenario.latency] == [at_least(3.0)] * 4


def test_a_line_of_the_stomp_generator_is_read() -> None:
    printed = "stomp mode=both count=20 size=16 persistent=1 receipt=1000 ack=100 pub/s=8144 sub/s=8255\n"
    assert load.parse(printed) == load.Load(published=8144, consumed=8255)


def test_latencies_come_in_milliseconds() -> None:
    found = stomp_client.summary([number / 1e3 for number in range(1, 102)], 500.0)
    assert (found.p50, found.p95, found.p99, found.longest) == pytest.approx((51.0, 96.0, 100.0, 101.0))


# The client that measures latency


def _stomp_server(answers: bytes) -> int:
    """A port on which one client gets these bytes, and then the end, when it has said something."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as client:
            client.recv(65536)
            client.sendall(answers)

    threading.Thread(target=serve, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def test_stomp_frames_are_told_apart() -> None:
    frames = b"CONNECTED\nserver:ActiveMQ/5.17.2\nversion:1.2\n\n\0\n\nMESSAGE\r\nack:7\r\n\r\nack:8\0\n"
    with stomp_client.Client(_stomp_server(frames)) as client:
        assert client.server == "ActiveMQ/5.17.2"
        message = client.frame(b"MESSAGE")
        assert client.header(message, b"ack") == "7"
        assert client.header(message, b"subscription") == ""
        with pytest.raises(ConnectionError, match="closed"):
            client.frame(b"MESSAGE")


def test_a_stomp_error_is_told() -> None:
    with pytest.raises(BenchError, match=r"expected CONNECTED, got b'ERROR.nmessage:Bad CONNECT"):
        stomp_client.Client(_stomp_server(b"ERROR\nmessage:Bad CONNECT\n\n\0"))


# Peers


def test_activemq_listens_on_the_loopback_alone_and_keeps_its_store_in_its_folder(tmp_path: Path) -> None:
    data = tmp_path / "a & b"
    root = ElementTree.fromstring(activemq.configuration(data, 61613))
    found = {element.tag.rpartition("}")[2]: element.attrib for element in root.iter()}
    assert found["transportConnector"] == {"name": "stomp", "uri": "stomp://127.0.0.1:61613"}
    assert found["kahaDB"] == {"directory": str(data / "kahadb")}


@pytest.mark.parametrize(
    ("peer", "present", "reason"),
    [
        (brokers.Rabbit, [], "rabbitmq-server is not installed"),
        (activemq.ActiveMQ, [], "activemq is not installed"),
        (activemq.ActiveMQ, ["activemq"], "java is not installed"),
        (activemq.ActiveMQ, ["activemq", "java"], None),
    ],
)
def test_a_peer_says_what_is_missing(
    peer: type[Broker], present: list[str], reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ["bin/activemq.jar", *(f"bin/{name}" for name in present)]:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("#!/bin/sh\n")
        (tmp_path / file).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert peer.missing() == reason


class _Sleeper(Broker):
    """A process that is ready at once, and under no load."""

    name = "Sleeper"
    version = "1.0"

    def _launch(self) -> None:
        self.version = "1.0"
        self._process = self._spawn([sys.executable, "-c", "import signal; signal.pause()"], {})

    def _answers(self) -> bool:
        return True


class _Other(_Sleeper):
    name = "Other"


@needs_proc
def test_another_goes_first_in_each_scenario_and_in_each_round_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    went: list[str] = []

    def measure(broker: Broker, scenario: beside.Scenario, *_: object) -> None:
        went.append(f"{scenario.name}: {broker.name}")

    monkeypatch.setattr(beside, "_measure", measure)
    scenarios = [beside.Scenario(name, 1, 1) for name in ("one", "two")]
    section = Section("title", "Sleeper", "Other")
    brokers = [_Sleeper(tmp_path / "a"), _Other(tmp_path / "b")]
    compare(section, brokers, scenarios, tmp_path, Settings(tmp_path, tmp_path, rounds=2))
    assert went == [
        *("one: Sleeper", "one: Other", "two: Other", "two: Sleeper"),
        *("one: Other", "one: Sleeper", "two: Sleeper", "two: Other"),
    ]


class _Absent(_Sleeper):
    name = "Absent"

    @classmethod
    def missing(cls) -> str | None:
        return "it is not installed"


class _Broken(_Sleeper):
    name = "Broken"

    def _launch(self) -> None:
        trace = "ERROR: no such plugin\\n\\tat somewhere"
        self._process = self._spawn([sys.executable, "-c", f"print('{trace}')"], {})

    def _answers(self) -> bool:
        return False


@needs_proc
def test_peers_that_take_no_part_say_why(tmp_path: Path) -> None:
    section = Section("title", "Sleeper", "Absent", others=["Broken"])
    settings = Settings(tmp_path, tmp_path, rounds=1)
    compare(section, [_Sleeper(tmp_path), _Absent(tmp_path), _Broken(tmp_path / "b")], [], tmp_path, settings)
    assert section.notes[:2] == [
        "Absent takes no part: it is not installed",
        "Broken takes no part: Broken did not start: ERROR: no such plugin",
    ]
    assert (section.theirs, section.others) == ("Absent", ["Broken"])


# A second peer in the report


def test_the_better_of_two_peers_is_held_against_the_target() -> None:
    assert Figure("rate", "msg/s", at_least(3.0), ours=[300], theirs=[50], others=[[100]]).ratio == 3.0
    assert Figure("rate", "msg/s", at_least(3.0), ours=[300], theirs=[101], others=[[100]]).met is False
    assert Figure("cpu", "us", at_most(0.5), ours=[5], theirs=[20], others=[[10]]).ratio == 0.5
    assert Figure("rate", "msg/s", at_least(3.0), ours=[300], others=[[100]]).met is True


def test_a_second_peer_has_a_column() -> None:
    fast = Figure("fast", "msg/s", at_least(2.0), ours=[300_000], theirs=[75_000], others=[[100_000]])
    lines = report.table(Section("title", "BatonMQ", "RabbitMQ", [fast], others=["ActiveMQ"])).splitlines()
    assert lines[2].split() == ["BatonMQ", "RabbitMQ", "ActiveMQ", "ratio", "target"]
    assert lines[3].split() == ["fast,", "msg/s", "300,000", "75,000", "100,000", "3.00x", ">=", "2x", "met"]
