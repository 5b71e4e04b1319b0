"""A shop that leaves to Celery what takes long."""

from __future__ import annotations
