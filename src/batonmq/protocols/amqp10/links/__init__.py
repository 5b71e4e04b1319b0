"""Links: attached, detached, and what each kind of them does."""

from __future__ import annotations
