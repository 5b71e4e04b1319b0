"""The command `batonmq`: a broker, a small client for it, and its users."""

from __future__ import annotations

from batonmq.cli.main import main

__all__ = ["main"]
