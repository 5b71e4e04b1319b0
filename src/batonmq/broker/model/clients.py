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
"""What it publishes is read more slowly, as consumers or the store cannot keep up."""
BLOCKING: Final = "blocking"
"""The store takes no messages: what the client publishes to it is refused."""
CLOSING: Final = "closing"
"""The broker has closed it, and waits for the client to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """What a client said of itself when it logged in, and what was agreed on with it."""

    protocol: str
    """The protocol and its version, such as 'AMQP 0-9-1'."""
    product: str = ""
    """The client's software and its version; "": it did not say."""
    name: str = ""
    """What the client calls the connection; "": it did not say."""
    mechanism: str = ""
    """How it proved who it is: a mechanism of SASL."""
    channel_max: int = 0
    """How many channels it may have at once; 0: no limit."""
    frame_max: int = 0
    """Octets of the largest frame; 0: no limit."""
    heartbeat: float = 0.0
    """Seconds of silence after which one side sends a sign of life; 0: none are sent."""
    properties: Mapping[str, FieldValue] = field(default_factory=dict)
    """Everything that it said of itself, cut to a bounded size."""
    container_id: str = ""
    """Of AMQP 1.0."""


class Attended(Protocol):
    """A connection, as its protocol attends to it. Nothing is noted for this: it is found out when somebody asks."""

    @property
    def channel_count(self) -> int:
        """How many channels it has, or sessions."""
        ...

    def channel_numbers(self) -> list[int]:
        """The numbers of its channels, in the order in which they were opened; quick. AMQP 1.0 has none."""
        ...

    def channel(self, number: int) -> ChannelStatus | None:
        """How that channel stands; None: it is gone."""
        ...

    def sessions(self) -> list[SessionStatus] | None:
        """How its sessions stand; None: its protocol is not AMQP 1.0."""
        ...

    def held(self, most: int) -> list[tuple[int, list[QueuedMessage]]]:
        """What the client holds: by the number of the channel or session, at most that many deliveries of each."""
        ...

    @property
    def is_closing(self) -> bool:
        """Has the broker closed it, and waits for the client to answer?"""
        ...

    def force_close(self, reason: str) -> None:
        """Close it from the broker's side, and tell the client why. Nothing happens if it is closed already."""
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
        """Nothing."""
        return []

    def sessions(self) -> list[SessionStatus] | None:
        return None

    def force_close(self, reason: str) -> None:
        """There is nothing to close."""


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
        """Under which it is listed."""
        self._attended = attended

    @property
    def peer(self) -> str:
        """The client's address."""
        return self.name.partition(" -> ")[0]

    @property
    def channel_count(self) -> int:
        """How many channels it has, or sessions."""
        return self._attended.channel_count

    def channel_numbers(self) -> list[int]:
        """The numbers of its channels, in the order in which they were opened; quick. AMQP 1.0 has none."""
        return self._attended.channel_numbers()

    def channel(self, number: int) -> ChannelStatus | None:
        """How that channel stands; None: it is gone."""
        return self._attended.channel(number)

    def sessions(self) -> list[SessionStatus] | None:
        """How its sessions stand; None: its protocol is not AMQP 1.0."""
        return self._attended.sessions()

    def held(self, most: int) -> list[tuple[int, list[QueuedMessage]]]:
        """What the client holds: by the number of the channel or session, at most that many deliveries of each."""
        return self._attended.held(most)

    def state(self, *, can_store: bool) -> str:
        """How it stands, in RabbitMQ's words. ``can_store``: does the store take messages?"""
        if self._attended.is_closing:
            return CLOSING
        if not can_store:
            return BLOCKING
        return FLOW if self.socket.is_held else RUNNING

    def leave(self) -> None:
        """Its connection is gone: let go of it, whoever still looks at this."""
        self._attended = _GONE

    def close(self, reason: str) -> None:
        """Close it, as an administrator wants it: the client is told why in the words of its protocol."""
        self._attended.force_close(reason)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Whose a consumer is."""

    client: Client
    channel: int
    """The number of the channel, or of the session."""
    prefetch: int
    """How many messages the consumer may hold at once; 0: no limit of its own."""


class ClientObserver(Protocol):
    """Somebody who wants to hear of connections. It is told within log-ins: it must be quick, and may not raise."""

    def connected(self, client: Client) -> None:
        """A client has logged in."""

    def disconnected(self, client: Client) -> None:
        """A connection is gone."""


# More observers than any server has use for: each is told of every connection.
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
        # By virtual host, what the clients that are gone have counted.
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
        """Its connection is gone."""
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
        """What the clients of a virtual host that are gone have counted, each counter by its name."""
        return self._of_gone.get(vhost, {})

    def forget(self, vhost: str) -> None:
        """A virtual host is deleted: what its clients have counted is forgotten."""
        self._of_gone.pop(vhost, None)

    def watch(self, observer: ClientObserver) -> None:
        """Tell it of every connection from now on, until `unwatch`. Raises ValueError when there are too many."""
        if len(self._observers) >= OBSERVERS_MAX:
            raise ValueError(f"there are {OBSERVERS_MAX} observers of connections already")
        self._observers[observer] = None

    def unwatch(self, observer: ClientObserver) -> None:
        """Tell it nothing more."""
        self._observers.pop(observer, None)


def _take_out(index: dict[str, dict[Client, None]], name: str, client: Client) -> None:
    clients = index[name]
    del clients[client]
    if not clients:
        del index[name]
