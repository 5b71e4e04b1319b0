"""The nodes that addresses name: queues, exchanges, subscriptions, dynamic nodes."""

from __future__ import annotations
