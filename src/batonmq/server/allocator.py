"""Settings for the system's memory allocator, so that the memory of a burst or a siege is returned afterwards.

glibc's adapts itself to what is allocated: once a large block was freed, blocks of that size come from its heap, and
the heap keeps twice as much as that when it is free. The 16 MiB of a password check make it keep 32 MiB, for each
thread. And a heap shrinks only at its end, so that one small object there keeps all free memory before it: an hour of
load and churn left 196 MB of heap, of which 20 MB were in use. Other allocators are left as they are.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Final

__all__ = ["LOOKS", "LOOKS_APART", "SPARE", "Allocator"]

# mallopt(3), by the numbers of <malloc.h>.
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3

# Blocks of at least this many octets are mapped separately, and go back as soon as they are freed: password checks, and
# few messages, for which mapping costs more than the heap.
MAPPED: Final = 8 * 1024 * 1024
# Free memory at the end of the heap that is kept for the next turns.
KEPT: Final = 16 * 1024 * 1024
SPARE: Final = 16 * 1024 * 1024
"""When use has fallen this many octets below its peak, free memory goes back, at 0.5 ms per MB."""
# How often that is checked, in seconds.
LOOK_SECONDS: Final = 1.0
# A look walks through all free pieces, which takes 0.02 ms, and 20 to 30 ms where memory that was not touched for a
# second is slow to come back, as in some virtual machines. The next comes after so many times what the last one took.
APART: Final = 250
LOOKS: Final = 300
"""After this many checks it goes back in any case: small free pieces add up."""
LOOKS_APART: Final = 30
"""Every so many checks it goes back if resident memory has grown by ``SPARE`` more than use. Load and churn leave gaps
in the heap while use stays level: in an hour the process swung between 81 and 126 MB."""

_STATM: Final = Path("/proc/self/statm")


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
    """The allocator of this process.

    Only for a process that is nothing but a broker, as the settings apply to all of it.
    """

    def __init__(self) -> None:
        self._most = 0
        self._looks = 0
        # Resident memory that is not in use, when free memory last went back; None: not known yet.
        self._beside: int | None = None
        # The least resident memory after free memory went back, or at the start.
        self._least = 0
        self._handle: asyncio.TimerHandle | None = None
        self._library = ctypes.CDLL(None) if sys.platform == "linux" else None
        self.can_tell = self._library is not None and hasattr(self._library, "mallinfo2")
        """Does it report its use? glibc does since 2.33; musl does not, and needs none of this."""
        if self._library is not None and self.can_tell:
            self._library.mallinfo2.restype = _Usage
            self._library.malloc_trim.argtypes = [ctypes.c_size_t]

    def tune(self) -> None:
        """Limit what it keeps to what is soon used again."""
        if self._library is not None and hasattr(self._library, "mallopt"):
            # Each setting also turns off glibc's adaptation.
            self._library.mallopt(M_MMAP_THRESHOLD, MAPPED)
            self._library.mallopt(M_TRIM_THRESHOLD, KEPT)

    def look(self) -> bool:
        """Called regularly: return free memory after a fall in use, for gaps, or every ``LOOKS`` calls; True: done."""
        if self._library is None or not self.can_tell:
            return False
        self._looks += 1
        resident = _resident()
        # Then there is not enough to go back that it pays to walk through the heap.
        if 0 < resident < self._least + SPARE and self._looks < LOOKS:
            return False
        used, beside = self._measure(resident)
        if self._beside is None:
            self._beside, self._least = beside, resident
        has_gaps = self._looks % LOOKS_APART == 0 and beside > self._beside + SPARE
        if used > self._most - SPARE and self._looks < LOOKS and not has_gaps:
            self._most = max(used, self._most)
            return False
        self._library.malloc_trim(0)
        self._most, self._looks = used, 0
        resident = _resident()
        self._least = min(self._least, resident)
        _, self._beside = self._measure(resident)
        return True

    def _measure(self, resident: int) -> tuple[int, int]:
        """The octets in use in the heaps, and the resident octets that the allocator does not have in use."""
        assert self._library is not None
        usage = self._library.mallinfo2()
        used = int(usage.uordblks)
        # Without /proc only use is known. Blocks that are mapped separately are in use.
        return used, resident - used - int(usage.hblkhd) if resident else 0

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check from the loop, until ``close``."""
        if self.can_tell:
            began = perf_counter()
            self.look()
            took = perf_counter() - began
            self._handle = loop.call_later(max(LOOK_SECONDS, took * APART), self.watch, loop)

    def close(self) -> None:
        """Stop checking."""
        if self._handle is not None:
            self._handle.cancel()


def _resident() -> int:
    """The resident memory of this process, in octets; 0: not known."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
