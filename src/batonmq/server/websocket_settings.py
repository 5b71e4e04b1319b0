"""What an operator may set for a listener of WebSocket."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["WebSocketSettings"]


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    """The settings of one listener."""

    path: str = "/ws"
    subprotocols: tuple[str, ...] = ("v12.stomp", "v11.stomp", "v10.stomp")
    """The subprotocols for a client that names none, the best first."""
    origins: tuple[str, ...] = ()
    """Origins of web pages elsewhere that may connect, such as `https://shop.example.org`; `*` for all."""
    max_message_size: int = 16 * 1024 * 1024
    """The largest message of a client in bytes, all fragments together."""
    ping_interval: float = 30.0
    """Seconds of silence until a client is pinged, and again until it counts as dead; 0: never."""
    handshake_timeout: float = 10.0
    """Seconds allowed for the HTTP request."""
