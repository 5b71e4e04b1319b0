"""CPU time and memory of a broker's processes, children included, as Linux counts them in /proc (proc(5))."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.failures import BenchError

__all__ = ["Usage", "cpu_seconds", "memory", "settle", "tree"]

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1024  # /proc counts memory in KiB
# The fields of /proc/PID/stat after the name, which may itself hold blanks and parentheses.
PARENT, USER, SYSTEM, GONE_USER, GONE_SYSTEM = 1, 11, 12, 13, 14
# Quiet is less than two ticks (20 ms) of CPU in 0.2 s: an idle Erlang node or Python broker uses none.
QUIET_TICKS, QUIET_STEP = 2, 0.2


class Usage:
    """CPU seconds that a process and its children use between two moments."""

    __slots__ = ("_began", "_root")

    def __init__(self, root: int) -> None:
        self._root = root
        self._began = cpu_seconds(root)

    def seconds(self) -> float:
        """CPU seconds since the beginning."""
        return cpu_seconds(self._root) - self._began


def tree(root: int) -> list[int]:
    """The process and everything that descends from it; BenchError when it is gone."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[PARENT]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    if not _stat(root):
        raise BenchError(f"process {root} of the broker is gone")
    return found


def cpu_seconds(root: int) -> float:
    """What the process, its children, and children that have ended have used: user and system time together."""
    ticks = 0
    for pid in tree(root):
        fields = _stat(pid)
        ticks += sum(int(fields[index]) for index in (USER, SYSTEM, GONE_USER, GONE_SYSTEM)) if fields else 0
    return ticks / TICKS


def memory(root: int, *, peak: bool = False) -> float:
    """Resident megabytes (MiB) of the processes now, or the sum of what each has had at most."""
    key = "VmHWM:" if peak else "VmRSS:"
    total = 0
    for pid in tree(root):
        for line in _read(PROC / str(pid) / "status").splitlines():
            if line.startswith(key):
                total += int(line.split()[1])
    return total / MEGABYTE


def settle(root: int, limit: float = 5.0) -> None:
    """Wait until the broker is quiet, `limit` seconds at most.

    Work put off counts: a checkpoint or a collection of garbage after the last message belongs to the messages before.
    """
    end = time.monotonic() + limit
    before = cpu_seconds(root)
    while time.monotonic() < end:
        time.sleep(QUIET_STEP)
        now = cpu_seconds(root)
        if now - before < QUIET_TICKS / TICKS:
            return
        before = now


def _stat(pid: int) -> list[str]:
    return _read(PROC / str(pid) / "stat").rpartition(")")[2].split()


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # it ended meanwhile
        return ""
