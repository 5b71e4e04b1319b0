"""The deliveries of one session in both directions: flow control, receipts, settlement, transactions."""

from __future__ import annotations
