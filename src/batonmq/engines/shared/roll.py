"""Which processes an owner serves, in a small file beside the store: so that the next owner knows whom to expect.

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
# Whatever is in the file: so much of it is read, some 30,000 guests.
READ_MAX = 1 << 20
# The connections of this process that are open: others of it that are on the roll were closed while there was no owner.
HERE: set[int] = set()


class Roll:
    """The guests of one owner. Where the file cannot be written, the next one expects nobody."""

    def __init__(self, path: str) -> None:
        self._path = path + SUFFIX
        self._guests: dict[int, int] = {}

    def __contains__(self, guest: int) -> bool:
        return guest in self._guests

    def add(self, guest: int, process: int) -> None:
        """This one is served from now on."""
        self._guests[guest] = process
        self._write()

    def remove(self, guest: int) -> None:
        """It has gone for good."""
        if self._guests.pop(guest, None) is not None:
            self._write()

    def begin(self, guests: dict[int, int]) -> None:
        """Begin the roll with the processes that are expected, until they are known to be gone."""
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
    """The former owner's guests that live: number and process."""
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
    """May this one still speak?"""
    return guest in HERE if process == os.getpid() else lives(process)


def lives(process: int) -> bool:
    """Is there such a process? One that has ended and that its parent has not asked about yet is none."""
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
