"""STOMP 1.0, 1.1 and 1.2: the codec (bytes to frames and back, for either role) and the server's side of it."""

from __future__ import annotations

from batonmq.protocols.stomp.dialects import DIALECTS, Dialect
from batonmq.protocols.stomp.session import stomp_session
from batonmq.protocols.stomp.settings import StompSettings

__all__ = ["DIALECTS", "Dialect", "StompSettings", "stomp_session"]
