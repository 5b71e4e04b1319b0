"""Section `broker`: one producer, one consumer over AMQP 0-9-1, beside RabbitMQ and LavinMQ, and beside no broker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import load
from bench.beside import Scenario, compare
from bench.brokers import Baton, Broker
from bench.peers import amqp_peers
from bench.report import Section, at_least
from bench.settings import Settings

__all__ = ["FLOOR", "SCENARIOS", "run"]

FLOOR = "no broker"

SCENARIOS: Sequence[Scenario] = (
    Scenario("not persistent", 1_000_000, 50_000, rate=at_least(2.0)),
    Scenario("not persistent, 1 KiB", 400_000, 10_000, 1024, rate=at_least(2.0)),
    Scenario("publish only, not persistent", 1_000_000, 50_000, mode="pub"),
    Scenario("consume only, not persistent", 1_000_000, 50_000, mode="sub"),
    Scenario("persistent, window 1, 16 B", 5_000, 200, persistent=True, window=1),
    Scenario("persistent, window 1, each acknowledged", 5_000, 200, persistent=True, window=1, acks=1),
    Scenario("persistent, window 10, 16 B", 40_000, 1_000, persistent=True, window=10),
    Scenario("persistent, window 10, each acknowledged", 40_000, 1_000, persistent=True, window=10, acks=1),
    Scenario("persistent, window 100, 16 B", 200_000, 5_000, persistent=True, window=100),
    Scenario("persistent, window 100, each acknowledged", 200_000, 5_000, persistent=True, window=100, acks=1),
    Scenario("persistent, window 1000, 16 B", 400_000, 20_000, persistent=True, window=1000, rate=at_least(2.5)),
    Scenario("persistent, window 10000, 16 B", 400_000, 20_000, persistent=True, window=10_000),
    Scenario("persistent, window 1000, 1 KiB", 200_000, 10_000, 1024, persistent=True, window=1000, rate=at_least(2.5)),
    Scenario("latency at window 1", 20_000, 1_000, window=1, latency=True),
    Scenario("latency at window 1, persistent", 5_000, 500, persistent=True, window=1, latency=True),
)


def run(settings: Settings) -> Section:
    """Measure; the peers take part where they are installed."""
    program, floor = load.build(settings.programs), load.build(settings.programs, "floor")
    section, brokers = prepare("One producer, one consumer, a durable queue", settings.folder / "broker")
    section.notes.append(f"{FLOOR}: the same bytes through a loopback socket, one append and one fdatasync a batch")
    compare(section, brokers, SCENARIOS, program, settings, floor)
    return section


def prepare(title: str, folder: Path, *, floor: bool = True) -> tuple[Section, list[Broker]]:
    """An empty section, and those that it compares over AMQP 0-9-1."""
    peers = amqp_peers(folder)
    first, *others = [peer.name for peer in peers]
    section = Section(title, Baton.name, first, others=others, floor=FLOOR if floor else "")
    return section, [Baton(folder / "batonmq"), *peers]
