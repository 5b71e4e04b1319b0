"""The parts of one client's connection that every session has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from batonmq.broker.model.clients import Client
from batonmq.protocols.sessions.commit_barrier import CommitBarrier
from batonmq.protocols.sessions.connection_log import ConnectionLog
from batonmq.protocols.sessions.counts import ConnectionCounts
from batonmq.protocols.sessions.heartbeats import Heartbeats
from batonmq.protocols.sessions.intake import Intake
from batonmq.protocols.sessions.output import Output
from batonmq.protocols.sessions.turn_end import TurnEnd

if TYPE_CHECKING:
    from batonmq.broker import Broker
    from batonmq.broker.model.clients import Attended, Introduction
    from batonmq.protocols.sessions.host import Host

_Event = TypeVar("_Event")


class Link(Generic[_Event]):
    """The parts of one connection, assembled.

    A protocol builds its session from these and its own. None of them knows the session. The barrier knows the
    protocol's parts, and drops them in `lost`.
    """

    __slots__ = ("barrier", "broker", "client", "counts", "heartbeats", "host", "intake", "log", "output", "turn_end")

    def __init__(self, broker: Broker, host: Host) -> None:
        self.broker = broker
        self.host = host
        self.log = ConnectionLog(host, broker.clock)
        self.output = Output(host)
        self.heartbeats = Heartbeats(broker.clock, host)
        self.intake: Intake[_Event] = Intake(broker, host, self.output, self.heartbeats, self.log)
        self.barrier = CommitBarrier(broker, self.output, self.intake)
        self.turn_end = TurnEnd(host)
        self.counts = ConnectionCounts()
        self.client: Client | None = None
        """The connection in the broker's list; None before the log-in and after the end."""

    def logged_in(self, user: str, vhost: str, introduction: Introduction, attended: Attended) -> None:
        """The client has logged in: log it, and list the connection.

        ``attended`` reports its state and closes it, on demand.
        """
        self.log.logged_in(user, vhost, introduction.protocol, introduction.product, introduction.name)
        now = int(self.broker.clock.time() * 1000)
        self.client = Client(self.host.socket, user, vhost, introduction, attended, self.counts, now)
        self.broker.clients.add(self.client)

    def lost(self) -> None:
        """The socket is gone, and the client's messages were given back."""
        client, self.client = self.client, None
        if client is not None:
            self.broker.clients.remove(client)
        self.output.close()
        self.turn_end.clear()
        self.intake.close()
        self.barrier.leave()
