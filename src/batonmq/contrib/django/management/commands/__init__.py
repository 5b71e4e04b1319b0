"""Where Django looks for it."""

from __future__ import annotations
