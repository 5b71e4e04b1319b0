"""Processes by fork: what is read once is there a thousand times."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import pkgutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import batonmq

__all__ = ["Child", "end_with_the_parent", "prepare"]

STEP = 0.002
# prctl(2)
PR_SET_PDEATHSIG = 1


def prepare() -> None:
    """Read all of the package, and leave it where every child has it: a start then takes a tenth of the time."""
    for module in pkgutil.walk_packages(batonmq.__path__, "batonmq."):
        # What fits into a framework can be read only where that is set up.
        if not module.name.endswith(".__main__") and not module.name.startswith("batonmq.contrib."):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


class Child:
    """A process that calls a function, and writes what it prints to a file. The parent must have no threads."""

    def __init__(self, work: Callable[[], object], output: Path) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.status: int | None = None
        """Its exit status, negative for a signal; None while it lives."""
        self.pid = os.fork()
        if self.pid == 0:
            _become(work, output)

    def poll(self) -> int | None:
        """Its status, if it has ended."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self, seconds: float) -> int | None:
        """Its status, None when it still lives after so many seconds."""
        end = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < end:
            time.sleep(STEP)
        return self.status

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)


def _become(work: Callable[[], object], output: Path) -> None:
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        end_with_the_parent()
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(file, 1)
        os.dup2(file, 2)
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - nothing of the parent's may run here
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def end_with_the_parent() -> None:
    """Linux: have the system kill this process when its parent dies, whatever of: nobody else would end it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
