# Generated from api/asynchronous/__init__.py by scripts/unasync.py: change that file instead.
"""Receiver, Delivery and Transaction for threads."""

from __future__ import annotations

from batonmq.api.synchronous.delivery import Delivery
from batonmq.api.synchronous.receiver import Receiver
from batonmq.api.synchronous.transaction import Transaction

__all__ = ["Delivery", "Receiver", "Transaction"]
