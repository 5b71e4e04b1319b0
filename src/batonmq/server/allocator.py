"""The system's allocator of memory, set so that what a burst or a siege has taken goes back when it is over.

glibc's adapts itself to what is allocated: once a large block was freed, blocks of that size come from its heap, and
the heap keeps twice as much as that when it is free. The 16 MiB of a password's check have it keep 32 MiB, for each
thread. And a heap shrinks at its end alone, so that one small object at the end of it keeps all that is free before:
an hour of load and churn left 196 MB of heap, of which 20 MB were in use. Other allocators are left as they are.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from typing import Final

__all__ = ["LOOKS", "SPARE", "Allocator"]

# mallopt(3), by the numbers of <malloc.h>.
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3

# Blocks of at least this many octets are mapped one by one, and go back as soon as they are freed: what the check of a
# password takes, and few messages, for which mapping costs more than the heap.
MAPPED: Final = 8 * 1024 * 1024
# What the end of the heap may keep for the next turns.
KEPT: Final = 16 * 1024 * 1024
SPARE: Final = 16 * 1024 * 1024
"""When that many octets fewer are in use than at most, what is free goes back: 0.5 ms for each MB of it."""
# How often that is looked at, in seconds: it takes 0.1 ms.
LOOK_SECONDS: Final = 1.0
LOOKS: Final = 300
"""After that many looks it goes back in any case: what lies free in small pieces adds up."""


class _Usage(ctypes.Structure):
    """mallinfo2(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


class Allocator:
    """That of this process; for one that is a broker and nothing else, as it is set for all of it."""

    def __init__(self) -> None:
        self._most = 0
        self._looks = 0
        self._handle: asyncio.TimerHandle | None = None
        self._library = ctypes.CDLL(None) if sys.platform == "linux" else None
        self.can_tell = self._library is not None and hasattr(self._library, "mallinfo2")
        """Does it tell what is used? glibc's does since 2.33; musl's does not, and needs none of this."""
        if self._library is not None and self.can_tell:
            self._library.mallinfo2.restype = _Usage
            self._library.malloc_trim.argtypes = [ctypes.c_size_t]

    def tune(self) -> None:
        """Have it keep no more than is used again at once."""
        if self._library is not None and hasattr(self._library, "mallopt"):
            # Each also ends the adapting.
            self._library.mallopt(M_MMAP_THRESHOLD, MAPPED)
            self._library.mallopt(M_TRIM_THRESHOLD, KEPT)

    def look(self) -> bool:
        """Called now and then: give back what is free, if much less is used than before; True: that was done."""
        if self._library is None or not self.can_tell:
            return False
        used = int(self._library.mallinfo2().uordblks)
        self._looks += 1
        if used > self._most - SPARE and self._looks < LOOKS:
            self._most = max(used, self._most)
            return False
        self._library.malloc_trim(0)
        self._most, self._looks = used, 0
        return True

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look from the loop, until ``close``."""
        if self.can_tell:
            self.look()
            self._handle = loop.call_later(LOOK_SECONDS, self.watch, loop)

    def close(self) -> None:
        """Look no more."""
        if self._handle is not None:
            self._handle.cancel()
