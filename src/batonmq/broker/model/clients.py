"""Who is connected to a broker, for listings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


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

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: dict[Client, None] = {}

    def __iter__(self) -> Iterator[Client]:
        return iter(self._all)

    def add(self, client: Client) -> None:
        """A client has logged in."""
        self._all[client] = None

    def remove(self, client: Client) -> None:
        """Its connection is gone."""
        self._all.pop(client, None)
