"""Folders for hundreds of small stores, one after another: what is asked of them does not depend on a disk."""

from __future__ import annotations

import os
import tempfile

__all__ = ["scratch"]

# In memory, on Linux: a sync takes no time.
MEMORY = "/dev/shm"


def scratch() -> tempfile.TemporaryDirectory[str]:
    """An empty folder, in memory where that can be; ``cleanup`` removes it."""
    return tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
