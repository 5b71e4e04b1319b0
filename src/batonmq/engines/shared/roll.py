"""The processes that an owner serves, in a small file beside the store, so that the next owner can expect them.

4712 7734651280            a process, and the number of one of its connections
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from batonmq.points import reached

__all__ = ["HERE", "Roll", "expected", "is_there"]

SUFFIX = "-guests"
# The most octets read from the file: enough for some 30,000 guests.
READ_MAX = 1 << 20
# The open connections of this process. Others of it on the roll were closed while there was no owner.
HERE: set[int] = set()


class Roll:
    """The guests of one owner. If the file cannot be written, the next owner expects none."""

    def __init__(self, path: str) -> None:
        self._path = path + SUFFIX
        self._guests: dict[int, int] = {}

    def __contains__(self, guest: int) -> bool:
        return guest in self._guests

    def add(self, guest: int, process: int) -> None:
        """Add a guest that is served from now on."""
        self._guests[guest] = process
        self._write()

    def remove(self, guest: int) -> None:
        """Remove a guest that has gone for good."""
        if self._guests.pop(guest, None) is not None:
            self._write()

    def begin(self, guests: dict[int, int]) -> None:
        """Start with the expected guests, which stay until they are known to be gone."""
        self._guests = dict(guests)
        self._write()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            if not self._guests:
                os.unlink(self._path)  # noqa: PTH108
                return
            text = "".join(f"{process} {guest}\n" for guest, process in self._guests.items()).encode()
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
            file = os.open(self._path, flags, 0o600)
            try:
                os.write(file, text)
                os.ftruncate(file, len(text))
            finally:
                os.close(file)
            reached("roll.written")


def expected(path: str) -> dict[int, int]:
    """The former owner's guests that are still alive: the process of each, by number."""
    try:
        with open(path + SUFFIX, "rb") as file:  # noqa: PTH123
            lines = file.read(READ_MAX).splitlines()
    except OSError:
        return {}
    found: dict[int, int] = {}
    for line in lines:
        process, _, guest = line.partition(b" ")
        if process.isdigit() and guest.isdigit() and len(line) < 64 and is_there(int(guest), int(process)):
            found[int(guest)] = int(process)
    return found


def is_there(guest: int, process: int) -> bool:
    """Can this guest still send commands?"""
    return guest in HERE if process == os.getpid() else lives(process)


def lives(process: int) -> bool:
    """Is the process alive? One that has ended, but was not reaped by its parent yet, is not."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    if sys.platform != "linux":
        return True
    try:
        # The name, which may hold anything, ends with the last bracket; the state follows: proc_pid_stat(5).
        state = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in (b"Z", b"X")
