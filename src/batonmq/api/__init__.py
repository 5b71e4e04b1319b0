"""Queues by URL: ``connect`` here for threads, ``batonmq.aio.connect`` with the same names for asyncio."""

from __future__ import annotations
