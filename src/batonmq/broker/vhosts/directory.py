"""What a virtual host knows of the broker around it: the other virtual hosts and the clients, for listings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.broker.model.clients import Clients
    from batonmq.broker.model.counters import Counters
    from batonmq.broker.queues.queue import Queue


class Listed(Protocol):
    """A virtual host, as listings show it."""

    queues: dict[str, Queue]

    @property
    def of_deleted(self) -> Counters:
        """What its deleted queues have counted."""


class Directory:
    """One for each broker."""

    __slots__ = ("_host", "clients", "vhosts")

    def __init__(self, vhosts: Mapping[str, Listed], clients: Clients) -> None:
        self.vhosts = vhosts
        self.clients = clients
        self._host: Callable[[], dict[str, object]] = dict

    def host(self) -> dict[str, object]:
        """What the process around the broker tells of itself, by words of JSON."""
        return self._host()

    def hosted(self, host: Callable[[], dict[str, object]]) -> None:
        """``host`` tells of the process that the broker is in."""
        self._host = host
