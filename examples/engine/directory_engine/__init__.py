"""Queues as directories of files."""

from __future__ import annotations
