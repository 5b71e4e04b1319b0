"""Handlers: what their parameters ask for, how a body becomes a value, how a value becomes a reply."""

from __future__ import annotations
