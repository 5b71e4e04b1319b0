"""Questions and orders about the broker, sent as messages."""

from __future__ import annotations
