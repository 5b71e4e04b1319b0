"""The features of a queue beyond keeping messages in order, one per file."""

from __future__ import annotations
