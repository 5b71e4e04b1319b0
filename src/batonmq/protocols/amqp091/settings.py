"""What an operator may set for AMQP 0-9-1."""

from __future__ import annotations

from dataclasses import dataclass

from batonmq.version import __version__


@dataclass(frozen=True, slots=True)
class AmqpSettings:
    """The values proposed in connection.start and connection.tune (§1.4.2), and enforced."""

    product: str = "BatonMQ"
    version: str = __version__
    # Seconds; 0 switches heartbeats off for clients that agree.
    heartbeat: int = 60
    # How many channels a connection may have open at once.
    channel_max: int = 2047
    # Bytes of the largest frame, its 8 bytes of framing included.
    frame_max: int = 131_072
    # Bytes of the largest body of a message.
    max_message_size: int = 128 << 20
    # Bytes of the messages that a connection's open transactions may hold.
    max_transaction_size: int = 128 << 20
    # Seconds from the first byte to connection.open.
    handshake_timeout: float = 10.0
