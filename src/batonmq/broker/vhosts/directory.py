"""A virtual host's view of its broker: the other virtual hosts and the clients, for listings."""

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
        """The counts of its deleted queues."""


class Directory:
    """The directory of one broker."""

    __slots__ = ("_host", "clients", "vhosts")

    def __init__(self, vhosts: Mapping[str, Listed], clients: Clients) -> None:
        self.vhosts = vhosts
        self.clients = clients
        self._host: Callable[[], dict[str, object]] = dict

    def host(self) -> dict[str, object]:
        """The status of the process around the broker, as JSON values."""
        return self._host()

    def hosted(self, host: Callable[[], dict[str, object]]) -> None:
        """``host`` returns the status of the broker's process."""
        self._host = host
