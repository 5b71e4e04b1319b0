"""The migrations of the application."""

from __future__ import annotations
