"""Section `stomp`: BatonMQ beside RabbitMQ's STOMP plugin and ActiveMQ, one broker under load at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import beside, load, stomp_client
from bench.activemq import ActiveMQ
from bench.brokers import Baton, Broker, Rabbit
from bench.load import Load
from bench.report import Section, at_least
from bench.settings import Settings

__all__ = ["SCENARIOS", "Scenario", "run"]

THRICE = at_least(3.0)


@dataclass(frozen=True, slots=True)
class Scenario(beside.Scenario):
    """One way of loading a broker over STOMP; `window` counts sends whose receipts are awaited, 0: no receipts."""

    def keys(self, count: int) -> dict[str, str | int]:
        """The load generator's settings."""
        return {"count": count, "size": self.size, "persistent": int(self.persistent), "receipt": self.window}

    def load(self, program: Path, broker: Broker, count: int) -> Load:
        """Load the broker; latency, which the load generator does not measure, with a client of our own."""
        destination = broker.destination(self.queue)
        if self.latency:
            return stomp_client.latency(broker.stomp_port, destination, count, persistent=self.persistent)
        return load.run(program, port=broker.stomp_port, dest=destination, **self.keys(count))


SCENARIOS: Sequence[Scenario] = (
    Scenario("not persistent, no receipts, 16 B", 200_000, 20_000, rate=THRICE),
    Scenario("not persistent, no receipts, 1 KiB", 100_000, 10_000, 1024, rate=THRICE),
    Scenario("persistent, receipts, window 1000, 16 B", 200_000, 20_000, persistent=True, window=1000, rate=THRICE),
    Scenario(
        "persistent, receipts, window 1000, 1 KiB", 100_000, 10_000, 1024, persistent=True, window=1000, rate=THRICE
    ),
    Scenario("latency at window 1", 5_000, 500, window=1, latency=True),
    Scenario("latency at window 1, persistent", 2_000, 200, persistent=True, window=1, latency=True),
)


def run(settings: Settings) -> Section:
    """Measure; the peers take part where they are installed."""
    program = load.build(settings.programs, "stompload")
    section = Section("STOMP: one producer, one consumer, a queue", Baton.name, Rabbit.name, others=[ActiveMQ.name])
    brokers = [
        Baton(settings.folder / "stomp-batonmq", stomp=True),
        Rabbit(settings.folder / "stomp-rabbitmq", stomp=True),
        ActiveMQ(settings.folder / "stomp-activemq", stomp=True),
    ]
    section.notes.append("the ratio is to the better of the two peers")
    beside.compare(section, brokers, SCENARIOS, program, settings)
    return section
