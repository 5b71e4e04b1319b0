"""BatonMQ's own HTTP API, below ``/api/baton/``."""

from __future__ import annotations
