"""The project. Celery is read with it, so that tasks find their application."""

from __future__ import annotations

from shop.celery import app as celery_app

__all__ = ["celery_app"]
