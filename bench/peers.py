"""Which brokers are measured beside ours, and where each is looked for.

First in the path, as an owner of one has it; then where `python -m tests.peers install` puts those that the tests use.
"""

from __future__ import annotations

from pathlib import Path

from tests.peers.artemis import Artemis as InstalledArtemis
from tests.peers.rabbitmq import RabbitMQ4

from bench.artemis import Artemis
from bench.brokers import Broker, Rabbit
from bench.lavinmq import LavinMQ

__all__ = ["amqp_peers", "artemis"]


def amqp_peers(folder: Path) -> list[Broker]:
    """Those that speak AMQP 0-9-1."""
    return [Rabbit(folder / "rabbitmq"), RabbitMQ4(folder / "rabbitmq4"), LavinMQ(folder / "lavinmq")]


def artemis(folder: Path) -> Artemis:
    """The one in the path, or the tests' own."""
    return Artemis(folder) if Artemis.installed() else InstalledArtemis(folder)
