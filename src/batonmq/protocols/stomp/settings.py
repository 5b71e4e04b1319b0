"""What an operator may set for STOMP."""

from __future__ import annotations

from dataclasses import dataclass

from batonmq import __version__
from batonmq.protocols.stomp.dialects import SPEC, Dialect


@dataclass(frozen=True, slots=True)
class StompSettings:
    """For one listener."""

    dialect: Dialect = SPEC
    # Shown in CONNECTED as server:PRODUCT/VERSION.
    product: str = "BatonMQ"
    version: str = __version__
    # Where clients come to that name no virtual host, or none that counts.
    default_vhost: str = "/"
    # Who is logged in that sends no login; None: nobody.
    default_login: str | None = None
    default_passcode: str = ""
    # Does a message without the header persistent survive a restart? None: as the dialect has it.
    is_persistent: bool | None = None
    # Milliseconds: heart-beats are not agreed on more often than that.
    heart_beat_min: int = 1_000
    # How many headers a frame may have, their octets together with the command, and those of a body.
    max_headers: int = 1_000
    max_head: int = 256 << 10
    max_body: int = 100 << 20
    # Octets that a client may have sent before it is logged in.
    max_before_login: int = 64 << 10
    # Octets of the bodies that one connection's open transactions may hold.
    max_transaction_size: int = 128 << 20
    # How many subscriptions a connection may have.
    max_subscriptions: int = 10_000
    # Seconds from the connection to the log-in.
    handshake_timeout: float = 10.0

    @property
    def persistent(self) -> bool:
        """Does a message without the header persistent survive a restart?"""
        return self.dialect.is_persistent if self.is_persistent is None else self.is_persistent
