"""The terms of one connection, from its log-in to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.protocols.stomp.dialects import Dialect
    from batonmq.protocols.stomp.settings import StompSettings

__all__ = ["Terms"]


@dataclass(frozen=True, slots=True)
class Terms:
    """The values negotiated in CONNECT and CONNECTED, and those of the listener."""

    version: str
    """``1.0``, ``1.1`` or ``1.2``."""
    session: str
    """The prefix of delivery ids on the connection, without dots."""
    client_id: str
    """The prefix of its durable subscriptions' names; empty: it has none."""
    settings: StompSettings
    dialect: Dialect
