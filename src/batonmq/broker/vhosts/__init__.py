"""The broker and its virtual hosts, over one store."""

from __future__ import annotations
