"""The resources used by the broker's process, as far as the system reports them: Linux reports all."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Limits", "Usage", "limits", "usage"]

PAGE: Final = resource.getpagesize()
PROC: Final = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Usage:
    """The use at one moment. 0 where unknown."""

    memory: int
    """Octets of the process's private memory."""
    files: int
    """Open file descriptors, sockets included."""
    threads: int
    disk_free: int
    """Free octets on the disk of the data."""
    collections: int
    """How often the garbage collector ran."""
    context_switches: int
    cpu_ms: int
    """Milliseconds of processor time since the start."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits, which stay the same while the process lives."""

    memory: int
    """Octets of the machine's memory."""
    files: int
    threads: int
    processors: int


def usage(data: Path) -> Usage:
    """The current use; ``data`` is where its files are. Takes 50 us."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(
        memory=_resident(used.ru_maxrss),
        files=_open_files(),
        threads=threading.active_count(),
        disk_free=_free(data),
        collections=sum(generation["collections"] for generation in gc.get_stats()),
        context_switches=used.ru_nvcsw + used.ru_nivcsw,
        cpu_ms=int((used.ru_utime + used.ru_stime) * 1000),
    )


def limits() -> Limits:
    """Read the limits."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    threads, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    memory = 0
    with contextlib.suppress(OSError, ValueError):
        memory = os.sysconf("SC_PHYS_PAGES") * PAGE
    unlimited = 2**31 - 1
    return Limits(
        memory=memory,
        files=files if 0 <= files < unlimited else unlimited,
        threads=threads if 0 <= threads < unlimited else unlimited,
        processors=os.cpu_count() or 1,
    )


def _resident(most: int) -> int:
    try:
        return int((PROC / "statm").read_text(encoding="ascii").split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        # The peak, in KiB.
        return most * 1024


def _open_files() -> int:
    try:
        return sum(1 for _ in (PROC / "fd").iterdir())
    except OSError:
        return 0


def _free(data: Path) -> int:
    try:
        return shutil.disk_usage(data).free
    except OSError:
        return 0
