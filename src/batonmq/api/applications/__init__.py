"""Applications with several handlers, which ``batonmq run`` runs."""

from __future__ import annotations
