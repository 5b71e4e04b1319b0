"""The parts of one client's connection that every session has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from batonmq.broker.model.clients import Client
from batonmq.protocols.sessions.commit_barrier import CommitBarrier
from batonmq.protocols.sessions.connection_log import ConnectionLog
from batonmq.protocols.sessions.counts import MessageCounts
from batonmq.protocols.sessions.heartbeats import Heartbeats
from batonmq.protocols.sessions.intake import Intake
from batonmq.protocols.sessions.output import Output
from batonmq.protocols.sessions.turn_end import TurnEnd

if TYPE_CHECKING:
    from batonmq.broker import Broker
    from batonmq.protocols.sessions.host import Host

_Event = TypeVar("_Event")


class Link(Generic[_Event]):
    """The parts of one connection, put together. A protocol makes its session of these and its own.

    None of them knows the session. The barrier knows what the protocol has made, and lets go of it in `lost`.
    """

    __slots__ = ("_client", "barrier", "broker", "counts", "heartbeats", "host", "intake", "log", "output", "turn_end")

    def __init__(self, broker: Broker, host: Host) -> None:
        self.broker = broker
        self.host = host
        self.log = ConnectionLog(host.peer, broker.clock)
        self.output = Output(host)
        self.heartbeats = Heartbeats(broker.clock)
        self.intake: Intake[_Event] = Intake(broker, host, self.output, self.heartbeats, self.log)
        self.barrier = CommitBarrier(broker, self.output, self.intake)
        self.turn_end = TurnEnd(host)
        self.counts = MessageCounts()
        # Under which the broker lists the connection.
        self._client: Client | None = None

    def logged_in(self, user: str, vhost: str, protocol: str, product: str = "", name: str = "") -> None:
        """The client has logged in: the log says so, and the connection is listed.

        ``product`` is the client's software and its version, ``name`` what the client calls the connection, where it
        says so.
        """
        self.log.logged_in(user, vhost, protocol, product, name)
        now = int(self.broker.clock.time() * 1000)
        self._client = Client(self.host.peer, user, vhost, protocol, product, name, now, self.counts)
        self.broker.clients.add(self._client)

    def lost(self) -> None:
        """The socket is gone, and what the client held was given back."""
        if self._client is not None:
            self.broker.clients.remove(self._client)
        self.output.close()
        self.turn_end.clear()
        self.intake.close()
        self.barrier.leave()
