"""What holds for one connection from its log-in to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.protocols.stomp.dialects import Dialect
    from batonmq.protocols.stomp.settings import StompSettings

__all__ = ["Terms"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What client and server agreed on in CONNECT and CONNECTED, and what the listener adds to it."""

    version: str
    """``1.0``, ``1.1`` or ``1.2``."""
    session: str
    """Begins the ids of all that is delivered on the connection; without dots."""
    client_id: str
    """Begins the names of its durable subscriptions; empty: it has none."""
    settings: StompSettings
    dialect: Dialect
