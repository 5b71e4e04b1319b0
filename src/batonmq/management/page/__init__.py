"""The web page: static files, which talk to the HTTP API."""

from __future__ import annotations
