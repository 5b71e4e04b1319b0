"""Where addresses lead: queues, exchanges, subscriptions, dynamic nodes."""

from __future__ import annotations
