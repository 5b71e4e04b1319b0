"""AMQP 0-9-1: the codec (bytes to frames and back, for either role) and the server's side of the conversation."""

from __future__ import annotations

from batonmq.protocols.amqp091.session import amqp_session
from batonmq.protocols.amqp091.settings import AmqpSettings

__all__ = ["AmqpSettings", "amqp_session"]
