"""The counts of closed connections, by protocol, so that no counter falls when a client leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from batonmq.broker.model.clients import Client

__all__ = ["Departed", "protocol_word"]

PROTOCOLS = ("amqp091", "amqp10", "stomp")


def protocol_word(client: Client) -> str:
    """The protocol by RabbitMQ's name: amqp091, amqp10 or stomp."""
    name, _, version = client.introduction.protocol.partition(" ")
    if name.upper() == "AMQP":
        return "amqp10" if version.startswith("1") else "amqp091"
    return "stomp"


class Departed:
    """Told of each connection that closes (a `batonmq.broker.model.clients.ClientObserver`)."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {word: Counter() for word in PROTOCOLS}

    def connected(self, client: Client) -> None:
        """Do nothing: an open connection is counted separately."""

    def disconnected(self, client: Client) -> None:
        """Add the connection's counts."""
        self._counts[protocol_word(client)].update(counts_of(client))

    def of(self, protocol: str) -> Counter[str]:
        """The counts of a protocol's clients, by name."""
        return self._counts[protocol]

    def together(self) -> Counter[str]:
        """The counts of all protocols' clients."""
        total: Counter[str] = Counter()
        for counts in self._counts.values():
            total.update(counts)
        return total

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)


def counts_of(client: Client) -> dict[str, int]:
    """The counts of a connection."""
    socket = client.socket
    return {
        **client.counts.listed(),
        "octets_received": socket.octets_received,
        "octets_sent": socket.octets_sent,
        "reads": socket.reads,
        "writes": socket.writes,
    }
