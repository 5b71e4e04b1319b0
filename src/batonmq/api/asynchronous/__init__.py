"""Receiver, Delivery and Transaction for event loops."""

from __future__ import annotations

from batonmq.api.asynchronous.delivery import Delivery
from batonmq.api.asynchronous.receiver import Receiver
from batonmq.api.asynchronous.transaction import Transaction

__all__ = ["Delivery", "Receiver", "Transaction"]
