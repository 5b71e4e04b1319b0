"""What is served beside the protocols: it is started and stopped with the server, on its loop and its listeners."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from batonmq.broker import Broker
from batonmq.clock import Clock
from batonmq.server.authenticator import Authenticator
from batonmq.server.config import Config
from batonmq.server.listeners import Address, Endpoint
from batonmq.server.log_ins import LogIns
from batonmq.server.tls import Tls
from batonmq.server.user_changes import Users
from batonmq.server.vitals import Vitals

__all__ = ["Extension", "Parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a server that an extension may use."""

    config: Config
    data: Path
    """The data directory."""
    broker: Broker
    clock: Clock
    log_ins: LogIns
    authenticator: Authenticator
    users: Users
    """Who there is, and how that is changed."""
    tls: Tls | None
    """None: there is no certificate, and nothing is served with TLS."""
    vitals: Vitals
    """How the server's own work goes."""
    addresses: Callable[[], list[Address]]
    """Every socket that the server listens on, once it does."""
    join: Callable[[socket.socket], None]
    """Speak AMQP 0-9-1 on a socket that is connected with another of this process. May be called in any thread.

    Raises OSError when the server is stopping; the socket is closed then."""


class Extension(Protocol):
    """Something that a server serves beside the protocols."""

    def begin(self, parts: Parts) -> None:
        """The broker is open; nobody can connect yet. Raises StartError, ConfigError."""

    def endpoints(self) -> list[Endpoint]:
        """Where the server shall listen for it."""

    async def start(self) -> None:
        """The server listens."""

    def reconfigure(self, config: Config) -> None:
        """The configuration was read again, and this counts from now on."""

    async def stop(self) -> None:
        """The server is about to stop: whatever is under way ends."""
