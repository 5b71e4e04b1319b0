"""Who is connected to a broker, for listings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from batonmq.broker.model.churn import Churn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batonmq.broker.model.channels import ChannelStatus, Counted, SessionStatus
    from batonmq.broker.model.sockets import Socket
    from batonmq.fields import FieldValue
    from batonmq.queued import QueuedMessage

RUNNING: Final = "running"
"""Nothing holds the client up."""
FLOW: Final = "flow"
"""Its publishes are read more slowly, as consumers or the store cannot keep up."""
BLOCKING: Final = "blocking"
"""The store takes no messages: publishes that need it are refused."""
CLOSING: Final = "closing"
"""The broker has closed it, and waits for the client's answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """What a client announced at its log-in, and the negotiated values."""

    protocol: str
    """The protocol and its version, such as 'AMQP 0-9-1'."""
    product: str = ""
    """The client's software and its version; "": unknown."""
    name: str = ""
    """The client's name for the connection; "": none."""
    mechanism: str = ""
    """Its SASL mechanism."""
    channel_max: int = 0
    """How many channels it may have at once; 0: no limit."""
    frame_max: int = 0
    """Octets of the largest frame; 0: no limit."""
    heartbeat: float = 0.0
    """The heartbeat interval in seconds; 0: none."""
    properties: Mapping[str, FieldValue] = field(default_factory=dict)
    """All its client properties, cut to a bounded size."""
    container_id: str = ""
    """The container-id of AMQP 1.0."""


class Attended(Protocol):
    """The protocol's side of a connection, for listings. Nothing is recorded for this: it is found out on demand."""

    @property
    def channel_count(self) -> int:
        """How many channels or sessions it has."""
        ...

    def channel_numbers(self) -> list[int]:
        """The numbers of its channels, in the order in which they were opened; quick. AMQP 1.0 has none."""
        ...

    def channel(self, number: int) -> ChannelStatus | None:
        """The state of that channel; None: it is gone."""
        ...

    def sessions(self) -> list[SessionStatus] | None:
        """The state of its sessions; None: its protocol is not AMQP 1.0."""
        ...

    def held(self, most: int) -> list[tuple[int, list[QueuedMessage]]]:
        """The messages that the client holds, by channel or session, at most that many of each."""
        ...

    @property
    def is_closing(self) -> bool:
        """Has the broker closed it, and is it waiting for the client's answer?"""
        ...

    def force_close(self, reason: str) -> None:
        """Close it from the broker's side, and tell the client why. Does nothing if it is closed already."""
        ...


class _Gone:
    """Stands in for a connection that is gone."""

    channel_count = 0
    is_closing = True

    def channel_numbers(self) -> list[int]:
        return []

    def channel(self, number: int) -> ChannelStatus | None:
        return None

    def held(self, most: int) -> list[tuple[int, list[QueuedMessage]]]:
        """It holds nothing."""
        return []

    def sessions(self) -> list[SessionStatus] | None:
        return None

    def force_close(self, reason: str) -> None:
        """Does nothing: there is nothing to close."""


_GONE: Final = _Gone()


class Client:
    """A connection whose client has logged in."""

    __slots__ = ("_attended", "connected_at", "counts", "introduction", "name", "socket", "user", "vhost")

    def __init__(
        self,
        socket: Socket,
        user: str,
        vhost: str,
        introduction: Introduction,
        attended: Attended,
        counts: Counted,
        connected_at: int,
    ) -> None:
        self.socket = socket
        self.user = user
        """The name of the user."""
        self.vhost = vhost
        """The virtual host."""
        self.introduction = introduction
        self.counts = counts
        """How many messages went over the connection."""
        self.connected_at = connected_at
        """When the client logged in, in milliseconds since the epoch."""
        self.name = socket.ends.name
        """Its name in listings."""
        self._attended = attended

    @property
    def peer(self) -> str:
        """The client's address."""
        return self.name.partition(" -> ")[0]

    @property
    def channel_count(self) -> int:
        """How many channels or sessions it has."""
        return self._attended.channel_count

    def channel_numbers(self) -> list[int]:
        """The numbers of its channels, in the order in which they were opened; quick. AMQP 1.0 has none."""
        return self._attended.channel_numbers()

    def channel(self, number: int) -> ChannelStatus | None:
        """The state of that channel; None: it is gone."""
        return self._attended.channel(number)

    def sessions(self) -> list[SessionStatus] | None:
        """The state of its sessions; None: its protocol is not AMQP 1.0."""
        return self._attended.sessions()

    def held(self, most: int) -> list[tuple[int, list[QueuedMessage]]]:
        """The messages that the client holds, by channel or session, at most that many of each."""
        return self._attended.held(most)

    def state(self, *, can_store: bool) -> str:
        """Its state, by RabbitMQ's names. ``can_store``: does the store take messages?"""
        if self._attended.is_closing:
            return CLOSING
        if not can_store:
            return BLOCKING
        return FLOW if self.socket.is_held else RUNNING

    def leave(self) -> None:
        """Its connection is gone: drop the reference to it, whoever still refers to this."""
        self._attended = _GONE

    def close(self, reason: str) -> None:
        """Close it for an administrator; the client is told why in its protocol's terms."""
        self._attended.force_close(reason)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """The owner of a consumer."""

    client: Client
    channel: int
    """The number of the channel, or of the session."""
    prefetch: int
    """How many messages the consumer may hold at once; 0: no limit of its own."""


class ClientObserver(Protocol):
    """An observer of connections. It is called during log-ins: it must be quick, and must not raise."""

    def connected(self, client: Client) -> None:
        """A client has logged in."""

    def disconnected(self, client: Client) -> None:
        """A connection has ended."""


# More observers than any server needs: each is told of every connection.
OBSERVERS_MAX: Final = 64


class Clients:
    """The clients of one broker that are logged in, in the order of their log-ins."""

    __slots__ = ("_all", "_by_name", "_observers", "_of_gone", "_of_user", "_of_vhost", "churn")

    def __init__(self) -> None:
        self._all: dict[Client, None] = {}
        self._by_name: dict[str, Client] = {}
        self._of_user: dict[str, dict[Client, None]] = {}
        self._of_vhost: dict[str, dict[Client, None]] = {}
        self._observers: dict[ClientObserver, None] = {}
        # The counts of former clients, by virtual host.
        self._of_gone: dict[str, dict[str, int]] = {}
        self.churn = Churn()
        """How many connections, channels and queues have come and gone."""

    def __iter__(self) -> Iterator[Client]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def find(self, name: str) -> Client | None:
        """The connection that is listed under this name."""
        return self._by_name.get(name)

    def of_user(self, user: str) -> list[Client]:
        """The connections of the user of this name."""
        return list(self._of_user.get(user, ()))

    def of_vhost(self, vhost: str) -> list[Client]:
        """The connections to the virtual host of this name."""
        return list(self._of_vhost.get(vhost, ()))

    def count_of_vhost(self, vhost: str) -> int:
        """How many connections there are to the virtual host of this name."""
        return len(self._of_vhost.get(vhost, ()))

    def add(self, client: Client) -> None:
        """A client has logged in."""
        self._all[client] = None
        self._of_user.setdefault(client.user, {})[client] = None
        self._of_vhost.setdefault(client.vhost, {})[client] = None
        self.churn.connection_opened()
        self._by_name[client.name] = client
        for observer in tuple(self._observers):
            observer.connected(client)

    def remove(self, client: Client) -> None:
        """Remove a client whose connection has ended."""
        if client not in self._all:
            return
        del self._all[client]
        _take_out(self._of_user, client.user, client)
        _take_out(self._of_vhost, client.vhost, client)
        self.churn.connection_closed()
        gone = self._of_gone.setdefault(client.vhost, {})
        octets = {"recv_oct": client.socket.octets_received, "send_oct": client.socket.octets_sent}
        for name, count in (client.counts.listed() | octets).items():
            gone[name] = gone.get(name, 0) + count
        if self._by_name.get(client.name) is client:
            del self._by_name[client.name]
        client.leave()
        for observer in tuple(self._observers):
            observer.disconnected(client)

    def counts_of_gone(self, vhost: str) -> Mapping[str, int]:
        """The counts of a virtual host's former clients, by name."""
        return self._of_gone.get(vhost, {})

    def forget(self, vhost: str) -> None:
        """A virtual host is deleted: forget the counts of its clients."""
        self._of_gone.pop(vhost, None)

    def watch(self, observer: ClientObserver) -> None:
        """Call an observer for every connection from now on, until `unwatch`.

        Raises ValueError when there are too many.
        """
        if len(self._observers) >= OBSERVERS_MAX:
            raise ValueError(f"there are {OBSERVERS_MAX} observers of connections already")
        self._observers[observer] = None

    def unwatch(self, observer: ClientObserver) -> None:
        """Remove an observer."""
        self._observers.pop(observer, None)


def _take_out(index: dict[str, dict[Client, None]], name: str, client: Client) -> None:
    clients = index[name]
    del clients[client]
    if not clients:
        del index[name]
