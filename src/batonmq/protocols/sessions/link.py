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
    """The parts of one connection, put together. A protocol makes its session of these and its own.

    None of them knows the session. The barrier knows what the protocol has made, and lets go of it in `lost`.
    """

    __slots__ = ("barrier", "broker", "client", "counts", "heartbeats", "host", "intake", "log", "output", "turn_end")

    def __init__(self, broker: Broker, host: Host) -> None:
        self.broker = broker
        self.host = host
        self.log = ConnectionLog(host.peer, broker.clock)
        self.output = Output(host)
        self.heartbeats = Heartbeats(broker.clock)
        self.intake: Intake[_Event] = Intake(broker, host, self.output, self.heartbeats, self.log)
        self.barrier = CommitBarrier(broker, self.output, self.intake)
        self.turn_end = TurnEnd(host)
        self.counts = ConnectionCounts()
        self.client: Client | None = None
        """As the broker lists the connection; None before the log-in and after the end."""

    def logged_in(self, user: str, vhost: str, introduction: Introduction, attended: Attended) -> None:
        """The client has logged in: the log says so, and the connection is listed.

        ``attended`` tells how it stands, and closes it, when somebody asks for that.
        """
        self.log.logged_in(user, vhost, introduction.protocol, introduction.product, introduction.name)
        now = int(self.broker.clock.time() * 1000)
        self.client = Client(self.host.socket, user, vhost, introduction, attended, self.counts, now)
        self.broker.clients.add(self.client)

    def lost(self) -> None:
        """The socket is gone, and what the client held was given back."""
        client, self.client = self.client, None
        if client is not None:
            self.broker.clients.remove(client)
        self.output.close()
        self.turn_end.clear()
        self.intake.close()
        self.barrier.leave()
