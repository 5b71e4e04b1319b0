"""What an operator may set for a listener of WebSocket."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["WebSocketSettings"]


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    """One listener's."""

    path: str = "/ws"
    subprotocols: tuple[str, ...] = ("v12.stomp", "v11.stomp", "v10.stomp")
    """Of the protocol that a client gets which names none, the best first."""
    origins: tuple[str, ...] = ()
    """Web pages of other machines that may connect, as `https://shop.example.org`; `*` for all."""
    max_message_size: int = 16 * 1024 * 1024
    """Bytes of the largest message of a client, its fragments together."""
    ping_interval: float = 30.0
    """Seconds of silence until a client is asked for a sign of life, and again until it is taken for dead; 0: never."""
    handshake_timeout: float = 10.0
    """Seconds for the HTTP request."""
