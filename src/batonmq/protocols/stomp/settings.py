"""What an operator may set for STOMP."""

from __future__ import annotations

from dataclasses import dataclass

from batonmq.protocols.stomp.dialects import SPEC, Dialect
from batonmq.version import __version__


@dataclass(frozen=True, slots=True)
class StompSettings:
    """For one listener."""

    dialect: Dialect = SPEC
    product: str = "BatonMQ"
    """Shown in CONNECTED as ``server:PRODUCT/VERSION``; empty: that header is left out."""
    version: str = __version__
    default_vhost: str = "/"
    """Where clients come to that name no virtual host, or none that counts."""
    default_login: str | None = None
    """Who is logged in that sends no login; None: nobody."""
    default_passcode: str = ""
    takes_certificates: bool = False
    """Is a client without login and passcode the user whom its certificate names, if it has shown one?"""
    is_persistent: bool | None = None
    """Does a message without the header persistent survive a restart? None: as the dialect has it."""
    heart_beat_min: int = 1_000
    """Milliseconds: heart-beats are not agreed on more often than that."""
    max_headers: int = 1_000
    """How many headers a frame may have."""
    max_head: int = 256 << 10
    """Octets that command and headers of a frame may have together."""
    max_body: int = 100 << 20
    """Octets that a body may have."""
    max_before_login: int = 64 << 10
    """Octets that a client may have sent before it is logged in."""
    max_transaction_size: int = 128 << 20
    """Octets of the bodies that one connection's open transactions may hold."""
    max_subscriptions: int = 10_000
    """How many subscriptions a connection may have."""
    handshake_timeout: float = 10.0
    """Seconds from the connection to the log-in."""

    @property
    def persistent(self) -> bool:
        """Does a message without the header persistent survive a restart?"""
        return self.dialect.is_persistent if self.is_persistent is None else self.is_persistent
