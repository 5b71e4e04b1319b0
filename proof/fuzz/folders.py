"""Folders for what targets have on the disk: made once for a process, and gone with it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from multiprocessing.util import Finalize
from pathlib import Path

__all__ = ["at_exit", "new_folder"]


def at_exit(what: Callable[..., object], *values: object) -> None:
    """Do this when the process ends, be it one that was forked for a block."""
    Finalize(None, what, values, exitpriority=10)


def new_folder() -> Path:
    """An empty folder of this process."""
    folder = Path(tempfile.mkdtemp(prefix="batonmq-fuzz-"))
    at_exit(shutil.rmtree, folder, True)
    return folder
