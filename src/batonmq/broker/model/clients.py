"""Who is connected to a broker, for listings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from batonmq.broker.model.churn import Churn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Counted(Protocol):
    """The messages that went over a connection."""

    def listed(self) -> dict[str, int]:
        """Each counter by its name."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """A connection whose client has logged in."""

    peer: str
    """The client's address."""
    user: str
    """The name of the user."""
    vhost: str
    """The virtual host."""
    protocol: str
    """The protocol and its version, such as 'AMQP 0-9-1'."""
    product: str
    """The client's software and its version; "": it did not say."""
    name: str
    """What the client calls the connection; "": it did not say."""
    connected_at: int
    """When the client logged in, in milliseconds since the epoch."""
    counts: Counted
    """How many messages went over the connection."""


class Clients:
    """The clients of one broker that are logged in, in the order of their log-ins."""

    __slots__ = ("_all", "_of_gone", "churn")

    def __init__(self) -> None:
        self._all: dict[Client, None] = {}
        # By virtual host, what the clients that are gone have counted.
        self._of_gone: dict[str, dict[str, int]] = {}
        self.churn = Churn()
        """How many connections, channels and queues have come and gone."""

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Client]:
        return iter(self._all)

    def add(self, client: Client) -> None:
        """A client has logged in."""
        self._all[client] = None
        self.churn.connection_opened()

    def remove(self, client: Client) -> None:
        """Its connection is gone."""
        if client not in self._all:
            return
        del self._all[client]
        self.churn.connection_closed()
        gone = self._of_gone.setdefault(client.vhost, {})
        for name, count in client.counts.listed().items():
            gone[name] = gone.get(name, 0) + count

    def counts_of_gone(self, vhost: str) -> Mapping[str, int]:
        """What the clients of a virtual host that are gone have counted, each counter by its name."""
        return self._of_gone.get(vhost, {})

    def forget(self, vhost: str) -> None:
        """A virtual host is deleted: what its clients have counted is forgotten."""
        self._of_gone.pop(vhost, None)
