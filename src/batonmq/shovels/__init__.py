"""Shovels, which move messages from a queue of one engine to a queue of another."""

from __future__ import annotations
