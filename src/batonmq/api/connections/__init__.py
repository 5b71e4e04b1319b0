"""``connect``, and the connections that it returns: for threads, and for asyncio."""

from __future__ import annotations
