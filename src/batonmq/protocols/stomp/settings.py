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
    """The virtual host for clients that name none, or whose choice is ignored."""
    default_login: str | None = None
    """The user for clients without a login; None: such clients are refused."""
    default_passcode: str = ""
    takes_certificates: bool = False
    """May a client without login and passcode log in by its certificate?"""
    is_persistent: bool | None = None
    """Does a message without the header persistent survive a restart? None: as the dialect has it."""
    heart_beat_min: int = 1_000
    """The shortest interval of heart-beats, in milliseconds."""
    max_headers: int = 1_000
    """The most headers of a frame."""
    max_head: int = 256 << 10
    """The most octets of a frame's command and headers together."""
    max_body: int = 100 << 20
    """The most octets of a body."""
    max_before_login: int = 64 << 10
    """The most octets that a client may send before its log-in."""
    max_transaction_size: int = 128 << 20
    """The most octets of bodies in one connection's open transactions."""
    max_subscriptions: int = 10_000
    """The most subscriptions of a connection."""
    handshake_timeout: float = 10.0
    """Seconds allowed from the connection to the log-in."""

    @property
    def persistent(self) -> bool:
        """Does a message without the header persistent survive a restart?"""
        return self.dialect.is_persistent if self.is_persistent is None else self.is_persistent
