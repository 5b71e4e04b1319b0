"""An operator's settings for AMQP 1.0."""

from __future__ import annotations

from dataclasses import dataclass

from batonmq.protocols.amqp10.dialects import SPEC, Dialect


@dataclass(frozen=True, slots=True)
class Amqp10Settings:
    """The values sent in the performatives open and begin, and enforced."""

    dialect: Dialect = SPEC
    product: str = ""
    """The product that clients are told; empty: that of the dialect."""
    version: str = ""
    """The same for the version."""
    container_id: str = "batonmq"
    """The broker's container-id."""
    default_vhost: str = "/"
    """The virtual host of clients whose hostname is not ``vhost:NAME``."""
    anonymous_login: str | None = None
    """The user for the SASL mechanism ANONYMOUS, or without SASL; None: these log-ins are refused."""
    anonymous_passcode: str = ""
    """The password of ``anonymous_login``."""
    idle_time_out: float = 60.0
    """Seconds after which a silent client is given up; 0: never. The client is told half of it."""
    channel_max: int = 255
    """The highest channel: a connection may have one session more at once."""
    max_frame_size: int = 131_072
    """Bytes of the largest frame, 512 or more."""
    handle_max: int = 255
    """The highest handle: a session may have one link more at once."""
    max_message_size: int = 128 << 20
    """Bytes of the largest message, all its sections together."""
    max_transaction_size: int = 128 << 20
    """Bytes of the messages that a connection's open transactions may hold."""
    handshake_timeout: float = 10.0
    """Seconds from the first byte to open."""
