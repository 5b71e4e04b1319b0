"""Which brokers are measured beside ours, and where each is looked for.

First in the path, as an owner of one has it; then where `python -m tests.peers install` puts those that the tests use.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.brokers import Broker, Rabbit
from bench.lavinmq import LavinMQ

if TYPE_CHECKING:
    from tests.peers.rabbitmq import RabbitMQ4

__all__ = ["amqp_peers", "rabbit4"]


def amqp_peers(folder: Path) -> list[Broker]:
    """Those that speak AMQP 0-9-1."""
    return [Rabbit(folder / "rabbitmq"), rabbit4(folder / "rabbitmq4"), LavinMQ(folder / "lavinmq")]


def rabbit4(folder: Path) -> RabbitMQ4:
    """The RabbitMQ 4 that the tests use."""
    from tests.peers.rabbitmq import RabbitMQ4  # they are made of this package's brokers

    return RabbitMQ4(folder)
