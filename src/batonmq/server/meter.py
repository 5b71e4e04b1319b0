"""The traffic of one socket, counted once for each read and write, with further data for listings."""

from __future__ import annotations

import asyncio
import ssl

from batonmq.broker.model.sockets import Ends, TlsTerms
from batonmq.server.addresses import ends
from batonmq.server.holds import FLOW, STORE_FULL, Holds
from batonmq.server.tls_terms import tls_terms

__all__ = ["Meter"]

_NOWHERE = Ends("unknown", 0, "unknown", 0)


class Meter:
    """A `batonmq.broker.model.sockets.Socket`."""

    __slots__ = ("_holds", "_tls", "_transport", "ends", "octets_received", "octets_sent", "reads", "writes")

    def __init__(self, holds: Holds) -> None:
        self._holds = holds
        self._transport: asyncio.Transport | None = None
        self._tls: TlsTerms | None = None
        self.ends = _NOWHERE
        """Its two ends; known when the socket is open."""
        self.octets_received = 0
        self.octets_sent = 0
        self.reads = 0
        self.writes = 0

    def begin(self, transport: asyncio.Transport) -> None:
        """The socket is open."""
        self._transport = transport
        self.ends = ends(transport.get_extra_info("peername"), transport.get_extra_info("sockname"))

    def end(self) -> None:
        """The socket is gone."""
        self._transport = None

    def received(self, octets: int) -> None:
        """Count received octets."""
        self.octets_received += octets
        self.reads += 1

    def sent(self, octets: int) -> None:
        """Count sent octets."""
        self.octets_sent += octets
        self.writes += 1

    @property
    def tls(self) -> TlsTerms | None:
        """The terms of TLS; None: there is no TLS. Read once, on demand."""
        if self._tls is None and self._transport is not None:
            found = self._transport.get_extra_info("ssl_object")
            if isinstance(found, ssl.SSLObject):
                self._tls = tls_terms(found)
        return self._tls

    @property
    def pending(self) -> int:
        """Octets that the system has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def is_held(self) -> bool:
        """Is reading stopped because the client publishes faster than consumers or the store can take?"""
        return bool(self._holds.reasons & (FLOW | STORE_FULL))
