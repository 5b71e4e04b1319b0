"""Services beside the protocols, started and stopped with the server, on its loop and its listeners."""

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
    """The users, and changes to them."""
    tls: Tls | None
    """None: there is no certificate, and so no TLS."""
    vitals: Vitals
    """The server's own figures."""
    addresses: Callable[[], list[Address]]
    """All sockets of the server, once it listens."""
    join: Callable[[socket.socket], None]
    """Serve AMQP 0-9-1 on one end of a socket pair of this process. May be called in any thread.

    Raises OSError when the server is stopping; the socket is closed then."""


class Extension(Protocol):
    """A service beside the protocols."""

    def begin(self, parts: Parts) -> None:
        """The broker is open, but clients cannot connect yet. Raises StartError, ConfigError."""

    def endpoints(self) -> list[Endpoint]:
        """The endpoints for it."""

    async def start(self) -> None:
        """The server listens."""

    def reconfigure(self, config: Config) -> None:
        """The configuration was read again; this one applies from now on."""

    async def stop(self) -> None:
        """The server is about to stop: end what is under way."""
