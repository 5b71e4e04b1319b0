"""The bench's section `amqp10`, without measuring: its scenarios, its peers, and what a message costs beside 0-9-1."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import amqp10, artemis, beside, brokers
from bench.brokers import Broker
from bench.failures import BenchError
from bench.report import Figure, Section, at_least
from bench.settings import Settings


def test_amqp10_scenarios_ask_for_what_they_are_named_after() -> None:
    asked = {scenario.name: scenario.keys(scenario.quick) for scenario in amqp10.SCENARIOS}
    assert len({scenario.queue for scenario in amqp10.SCENARIOS}) == len(amqp10.SCENARIOS) == 4
    for name, keys in asked.items():
        assert keys["persistent"] == int("not persistent" not in name)
        assert keys["size"] == (1024 if "1 KiB" in name else 16)
        assert keys["window"] == 1000
    assert {scenario.rate for scenario in amqp10.SCENARIOS} == {at_least(3.0)}


# Peers


@pytest.mark.parametrize(
    ("present", "reason"),
    [
        ([], "artemis is not installed"),
        (["artemis"], "java is not installed"),
        (["artemis", "java"], None),
    ],
)
def test_artemis_says_what_is_missing(
    present: list[str], reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ["lib/artemis-boot.jar", *(f"bin/{name}" for name in present)]:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("#!/bin/sh\n")
        (tmp_path / file).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert artemis.Artemis.missing() == reason


@pytest.mark.parametrize(("version", "takes_part"), [("3.13.7", False), ("", False), ("4.0.1", True), ("10.0", True)])
def test_a_rabbitmq_before_4_takes_no_part(
    version: str, takes_part: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(self: Broker) -> bool:
        self.version = version
        return True

    monkeypatch.setattr(brokers.Rabbit, "_answers", answers)
    monkeypatch.setattr(brokers.Rabbit, "_launch", lambda _: None)
    rabbit = amqp10.Rabbit4(tmp_path)
    if takes_part:
        rabbit.start()
        return
    with pytest.raises(BenchError, match=r"AMQP 1\.0 came with 4\.0"):
        rabbit.start()


def test_each_broker_is_asked_for_the_queue_by_its_own_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared: list[str] = []
    monkeypatch.setattr(brokers.Rabbit, "declare", lambda _, queue: declared.append(queue))
    assert amqp10.Rabbit4(tmp_path).address("q") == "/queues/q"
    assert declared == ["q"]
    assert artemis.Artemis(tmp_path).address("q") == brokers.Baton(tmp_path).address("q") == "q"


# What a message costs beside 0-9-1


def test_cpu_of_each_round_is_held_against_0_9_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compare(section: Section, candidates: object, scenarios: list[beside.Scenario], *_: object) -> None:
        section.figures = [figure for scenario in scenarios for figure in scenario.figures()]
        for figure in section.figures:
            figure.ours += [2.0, 4.0, 4.0]

    monkeypatch.setattr(beside, "compare", compare)
    name = amqp10.SCENARIOS[0].name
    cpu = Figure(f"{name}: broker CPU", "us/msg", ours=[3.0, 4.0, 8.0])
    section = Section("title", "BatonMQ", "", [Figure(name, "msg/s", ours=[1.0]), cpu])
    amqp10.compare_with_091(section, Settings(tmp_path, tmp_path), tmp_path)
    _, _, added = section.figures
    assert added.name == f"{name}: broker CPU, 1.0 to 0-9-1"
    assert (added.ours, added.met) == ([1.5, 1.0, 2.0], True)
    added.ours.append(3.0)
    added.ours.append(3.0)
    assert added.met is False
