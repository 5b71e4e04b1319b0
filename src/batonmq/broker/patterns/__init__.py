"""Regular expressions that users write, matched in linear time."""

from __future__ import annotations
