"""Who runs where, and who goes first: hostile clients have machines of their own, but not in a siege on one machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from bench.failures import BenchError
from bench.processes import PROC

__all__ = ["FIRST", "apart", "before_others"]

FIRST = -15
"""The priority (nice(2)) of those who go first."""


@contextlib.contextmanager
def apart(pid: int) -> Iterator[str]:
    """Give this process a core of its own, and whatever is started in the block the others; tells which.

    Raises BenchError where the system cannot do that, or has a single core.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise BenchError("--apart needs a system that can bind processes to cores, as Linux")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("--apart needs two cores, and this process may use one")
    own, *others = cores
    for thread in (PROC / str(pid) / "task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(int(thread.name), {own})
    os.sched_setaffinity(0, others)
    try:
        yield f"the broker alone on core {own}, all else on {', '.join(map(str, others))}"
    finally:
        os.sched_setaffinity(0, cores)


def before_others(pid: int) -> None:
    """Let this process, the first of its session, go before all else on the machine; BenchError without the right.

    All of its threads: a priority is that of one (setpriority(2)). A busy loop that goes before the thread that commits
    has it wait for 10 ms.
    """
    try:
        for thread in (PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.setpriority(os.PRIO_PROCESS, int(thread.name), FIRST)
        # Where sessions share the processors evenly, the priority within one says nothing to others (sched(7)).
        if (share := PROC / str(pid) / "autogroup").exists():
            share.write_text(str(FIRST))
    except OSError as error:
        raise BenchError(f"--first needs the right to raise priorities: {error}") from None
