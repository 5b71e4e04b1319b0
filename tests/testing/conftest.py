"""The plugin's fixtures, as pytest's entry point brings them to users."""

from __future__ import annotations

from batonmq.testing.plugin import baton, baton_clock, baton_server

__all__ = ["baton", "baton_clock", "baton_server"]
