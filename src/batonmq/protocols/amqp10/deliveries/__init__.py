"""What comes and goes over the links of one session: flow control, receipts, settlement, transactions."""

from __future__ import annotations
