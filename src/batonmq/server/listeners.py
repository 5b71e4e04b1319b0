"""Sockets that take connections, and how many of those the system allows."""

from __future__ import annotations

import errno
import os
import socket

from batonmq.server.failures import StartError

__all__ = ["listen", "raise_descriptor_limit"]

# What the process opens besides connections: the store, its journal, listeners, the loop, standard streams.
OTHER_DESCRIPTORS = 64

EVERYWHERE = ("", "*")


def listen(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Listening sockets for every address of a host; "" or "*" means all of this machine's.

    With port 0 the system chooses one, the same for all the addresses. Raises StartError.
    """
    try:
        found = socket.getaddrinfo(
            None if host in EVERYWHERE else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise StartError(f"cannot listen on {host}: {error.strerror}") from None
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
        raise StartError(_why(error, host, port)) from None
    if not sockets:
        raise StartError(f"cannot listen on {host}: it has no address of this machine")
    return sockets


def _prepare(opened: socket.socket) -> None:
    if os.name == "posix":
        # A port that a broker has just left can be taken again at once. On Windows this would take a port in use.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # Inherited by accepted sockets: finds peers that are gone where a client has turned heartbeats off.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    opened.setblocking(False)


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host or 'this machine'} is in use by another program; --port chooses another"
    if error.errno == errno.EACCES:
        return f"port {port} on {host or 'this machine'} needs privileges; --port chooses another"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {host}: it is not an address of this machine"
    return f"cannot listen on {host}, port {port}: {error.strerror}"


def raise_descriptor_limit() -> int | None:
    """Allow as many open files as the system lets us; how many connections that is, or None for no limit."""
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
