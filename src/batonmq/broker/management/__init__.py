"""Management requests, sent as messages."""

from __future__ import annotations
