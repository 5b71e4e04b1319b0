"""Applications of several handlers, which ``batonmq run`` sets to work."""

from __future__ import annotations
