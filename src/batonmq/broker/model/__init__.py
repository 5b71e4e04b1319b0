"""The foundation of the broker: settings, users, consumers, time, memory and scheduling."""

from __future__ import annotations
