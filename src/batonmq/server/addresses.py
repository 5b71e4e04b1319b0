"""The address of a socket's peer, as logs and listings show it."""

from __future__ import annotations

import ipaddress

from batonmq.broker.model.sockets import Ends

__all__ = ["address", "ends"]


def address(peername: object) -> tuple[str, bool]:
    """`127.0.0.1:51234` or `[::1]:51234`, and whether that is this machine.

    It is `this process` for a socket pair, and `unknown` for any other kind of address.

    `peername` is what a socket's `getpeername` or `getsockname` returns.
    """
    if peername in ("", b""):
        return "this process", True
    if not isinstance(peername, tuple) or len(peername) < 2:
        return "unknown", False
    host, port = str(peername[0]), int(peername[1])
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return f"{host}:{port}", False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    if mapped is not None:
        return f"{mapped}:{port}", mapped.is_loopback
    return (f"[{host}]:{port}" if ip.version == 6 else f"{host}:{port}"), ip.is_loopback


def ends(peername: object, sockname: object) -> Ends:
    """The two ends of a socket, from its `getpeername` and `getsockname`."""
    return Ends(*_end(peername), *_end(sockname))


def _end(name: object) -> tuple[str, int]:
    """Host and port; an IPv4 address mapped to IPv6 is shown as IPv4."""
    if not isinstance(name, tuple) or len(name) < 2:
        return "unknown", 0
    return address(name)[0].rpartition(":")[0].strip("[]"), int(name[1])
