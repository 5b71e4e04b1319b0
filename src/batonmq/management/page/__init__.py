"""The web page: static files that use the HTTP API."""

from __future__ import annotations
