"""Section `amqp10`: BatonMQ beside RabbitMQ 4 and Artemis, one broker under load at a time.

And beside itself over AMQP 0-9-1: what a message costs must not depend much on the protocol.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pika
from tests.peers.rabbitmq import RabbitMQ4

from bench import beside, load
from bench.artemis import Artemis
from bench.brokers import Baton, Broker, Rabbit
from bench.failures import BenchError
from bench.load import Load
from bench.peers import artemis
from bench.report import Figure, Section, Target, at_least
from bench.settings import Settings

__all__ = ["SCENARIOS", "Rabbit4", "Scenario", "compare_with_091", "run"]

THRICE = at_least(3.0)
BESIDE_091 = Target(1.5, upper=True, of_ratio=False)
WINDOW = 1000


class Rabbit4(Rabbit):
    """A RabbitMQ that has AMQP 1.0 in its core: from 4.0 on. Before that it was a plugin that spoke 0-9-1 inside."""

    def address(self, queue: str) -> str:
        self.declare(queue)
        return f"/queues/{queue}"

    def _answers(self) -> bool:
        answers = super()._answers()
        major = re.match(r"\d+", self.version)
        if answers and (major is None or int(major[0]) < 4):
            raise BenchError(f"it is {self.version}, and AMQP 1.0 came with 4.0")
        return answers


class InstalledRabbit4(RabbitMQ4):
    """The one that the tests use."""

    def address(self, queue: str) -> str:
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.url))) as connection:
            connection.channel().queue_declare(queue, durable=True)
        return f"/queues/{queue}"


@dataclass(frozen=True, slots=True)
class Scenario(beside.Scenario):
    """One way of loading a broker over AMQP 1.0; `window` counts transfers that wait for their outcome."""

    window: int = WINDOW

    def keys(self, count: int) -> dict[str, str | int]:
        """The load generator's settings."""
        return {"count": count, "size": self.size, "persistent": int(self.persistent), "window": self.window}

    def load(self, program: Path, broker: Broker, count: int) -> Load:
        """Load the broker with so many messages."""
        access: dict[str, str | int] = {"port": broker.port, "address": broker.address(self.queue)}
        access |= {"user": broker.user, "password": broker.password}
        return load.run(program, **access, **self.keys(count))


SCENARIOS: Sequence[Scenario] = (
    Scenario("not persistent, 16 B", 400_000, 20_000, rate=THRICE),
    Scenario("not persistent, 1 KiB", 200_000, 10_000, 1024, rate=THRICE),
    Scenario("persistent, 16 B", 200_000, 20_000, persistent=True, rate=THRICE),
    Scenario("persistent, 1 KiB", 100_000, 10_000, 1024, persistent=True, rate=THRICE),
)


def run(settings: Settings) -> Section:
    """Measure; the peers take part where they are installed."""
    program = load.build(settings.programs, "amqp10load")
    other = load.build(settings.programs, "amqpload")
    title = "AMQP 1.0: one producer, one consumer, a queue, unsettled"
    section = Section(title, Baton.name, Rabbit.name, others=[InstalledRabbit4.name, Artemis.name])
    brokers = [
        Baton(settings.folder / "amqp10-batonmq"),
        Rabbit4(settings.folder / "amqp10-rabbitmq"),
        InstalledRabbit4(settings.folder / "amqp10-rabbitmq4"),
        artemis(settings.folder / "amqp10-artemis"),
    ]
    section.notes.append(f"at most {WINDOW} transfers wait for their outcome; the ratio is to the best of the peers")
    beside.compare(section, brokers, SCENARIOS, program, settings)
    compare_with_091(section, settings, other)
    return section


def compare_with_091(section: Section, settings: Settings, program: Path) -> None:
    """Add what a message costs BatonMQ over 1.0, measured against the same load over 0-9-1."""
    scenarios = [
        beside.Scenario(each.name, each.count, each.quick, each.size, each.persistent, each.window)
        for each in SCENARIOS
    ]
    own = Section("AMQP 0-9-1", Baton.name, "")
    beside.compare(own, [Baton(settings.folder / "amqp10-091")], scenarios, program, settings)
    costs = {figure.name: figure.ours for figure in own.figures}
    for figure in [each for each in section.figures if each.name in costs and each.unit == "us/msg"]:
        pairs = zip(figure.ours, costs[figure.name], strict=True)
        ratios = [ours / over_091 for ours, over_091 in pairs if over_091]
        section.figures.append(Figure(f"{figure.name}, 1.0 to 0-9-1", "times", BESIDE_091, ours=ratios))
