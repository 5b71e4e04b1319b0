"""Listening sockets: addresses, protocols, and how many connections the system allows."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from batonmq.server.connections import Connected, Connections
from batonmq.server.failures import StartError
from batonmq.server.recognise import ServedProtocol
from batonmq.server.tls import Tls

__all__ = ["ACCEPTED", "Address", "Endpoint", "MakeVisitor", "listen", "raise_descriptor_limit"]

# Descriptors besides connections: the store, its journal, listeners, the loop, standard streams.
OTHER_DESCRIPTORS = 64

EVERYWHERE = ("", "*")

ACCEPTED = 16
"""How many connections asyncio's own loop accepts per socket and pass; uvloop accepts one. Each takes some 100 us."""


class Address(NamedTuple):
    """A socket that listens, as clients name it."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def url(self) -> str:
        """The URL without a user, such as `amqp://127.0.0.1:5672`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


class MakeVisitor(Protocol):
    """Creates a connection that is not a broker client's, such as one to the HTTP API."""

    def __call__(
        self, visitors: Connections[Connected], *, arrived: Callable[[ssl.SSLObject], str] | None = None
    ) -> asyncio.BaseProtocol:
        """It joins ``visitors`` when it is open. ``arrived`` is called when the TLS handshake is done."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a port, and the protocols there."""

    scheme: str
    host: str
    port: int
    backlog: int
    protocols: Sequence[ServedProtocol]
    """The protocols; the last one takes what no other does."""
    path: str = ""
    tls: Tls | None = None
    alpn: tuple[str, ...] = ()
    """With TLS: the protocols for ALPN (RFC 7301), if any."""
    flag: str = "--port"
    """The flag or configuration key that sets another port."""
    is_asked: bool = True
    """False: it is a default. If its port is taken, the broker does without it."""
    make_visitor: MakeVisitor | None = None
    """Creates the connections of a port for other than the protocols; None: the port serves protocols."""

    @property
    def name(self) -> str:
        """The name of the service."""
        return self.protocols[-1].name if self.protocols else "management"


def listen(host: str, port: int, backlog: int, flag: str = "--port") -> list[socket.socket]:
    """Listening sockets for every address of a host; "" or "*" means all of this machine's.

    With port 0 the system chooses one, the same for all the addresses. `flag` is what errors advise to change the port.
    Raises StartError.
    """
    # getaddrinfo takes an int of no other class, such as GivenPort.
    port = int(port)
    try:
        found = socket.getaddrinfo(
            None if host in EVERYWHERE else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise StartError(f"cannot listen on {host}: {error.strerror}") from None
    except UnicodeError:
        raise StartError(f"cannot listen on {host}: it is no name of a machine") from None
    sockets: list[socket.socket] = []
    try:
        for family, kind, number, _, address in dict.fromkeys(found):
            try:
                opened = socket.socket(family, kind, number)
            except OSError as error:
                if error.errno == errno.EAFNOSUPPORT:
                    continue  # the machine has no IPv6
                raise
            sockets.append(opened)
            _prepare(opened)
            opened.bind((address[0], port, *address[2:]))
            opened.listen(backlog)
            port = opened.getsockname()[1]
    except OSError as error:
        for opened in sockets:
            opened.close()
        raise StartError(_why(error, host, port, flag)) from None
    if not sockets:
        raise StartError(f"cannot listen on {host}: it has no address of this machine")
    return sockets


def _prepare(opened: socket.socket) -> None:
    if os.name == "posix":
        # Allows reuse of a port that was just released. On Windows it would allow taking a port in use.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # Inherited by accepted sockets: detects dead peers of clients that have turned heartbeats off.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    opened.setblocking(False)


def _why(error: OSError, host: str, port: int, flag: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host or 'this machine'} is in use by another program; {flag} chooses another"
    if error.errno == errno.EACCES:
        return f"port {port} on {host or 'this machine'} needs privileges; {flag} chooses another"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {host}: it is not an address of this machine"
    return f"cannot listen on {host}, port {port}: {error.strerror}"


def raise_descriptor_limit() -> int | None:
    """Raise the limit of open files as far as possible; returns how many connections that allows, None for no limit."""
    try:
        import resource
    except ImportError:  # Windows counts no descriptors
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            pass  # macOS reports a hard limit that it does not grant
    return None if soft == resource.RLIM_INFINITY else max(1, soft - OTHER_DESCRIPTORS)
