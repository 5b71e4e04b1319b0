"""Queues: one door in, one door out."""

from __future__ import annotations
