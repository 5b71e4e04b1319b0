"""How the system schedules a thread. Only Linux lets each thread of a process have its own way."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import sys
import threading
from typing import Final

__all__ = ["run_last", "step_back", "wait_little"]

# The slice of wait_little, in nanoseconds. The shortest that Linux has is 100,000, the usual one 1.4 to 3 ms.
SLICE: Final = 200_000

# The first struct sched_attr (sched_setattr(2)): size, policy, flags, nice, priority, runtime, deadline, period.
ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")
# The numbers of sched_getattr and sched_setattr, which the C library had no functions for until 2025.
CALLS: Final = {"x86_64": (315, 314), "aarch64": (275, 274), "riscv64": (275, 274)}


def run_last() -> None:
    """Run this thread only when nothing else wants to, from now on."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def step_back(steps: int) -> None:
    """Lower the priority of this thread by so many steps (setpriority(2)), for good."""
    if sys.platform == "linux":
        own = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + steps)


def wait_little() -> None:
    """Have this thread run soon after it wakes, from now on; it asks for short slices of time in exchange.

    It gets no larger share of the processor. Without this, a thread that sleeps and wakes often waits for a tick of the
    system each time, 4 ms, where a busy thread shares its processor. Linux has this since 6.12; elsewhere this does
    nothing.
    """
    calls = CALLS.get(platform.machine())
    if sys.platform != "linux" or calls is None or struct.calcsize("P") != 8:
        return
    get, set_ = calls
    system = ctypes.CDLL(None).syscall
    attributes = ctypes.create_string_buffer(ATTRIBUTES.size)
    if system(get, 0, attributes, ATTRIBUTES.size, 0):
        return
    size, policy, flags, nice, priority, _, deadline, period = ATTRIBUTES.unpack(attributes)
    if policy not in (os.SCHED_OTHER, os.SCHED_BATCH):
        return  # whoever runs the process in real time has chosen
    ATTRIBUTES.pack_into(attributes, 0, size, policy, flags, nice, priority, SLICE, deadline, period)
    # A system that does not let it is as good as one that does not have it.
    system(set_, 0, attributes, 0)
