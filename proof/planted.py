"""`python -m proof.planted FAULT serve ...`: a broker with a fault of that kind, to see that it is found.

    python -m proof.planted task serve --data ./data        a task more after every fifth commit

Each is done at the point `commit.told` of `batonmq.points`, in the broker's own thread, every so many times. A soak
and a siege have such a broker with ``--planted FAULT``.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from batonmq.broker import Broker, ManagedOperations, Queue
from batonmq.points import arm
from proof.by_hand import EVERYTHING

__all__ = ["EVERY", "FAULTS", "main"]

EVERY = 5
"""Commits from one to the next."""
LEAK = 1 << 20

_kept: list[object] = []
_brokers: list[Broker] = []


def _descriptor() -> None:
    """It is never closed."""
    _kept.append(os.open(os.devnull, os.O_RDONLY))


def _task() -> None:
    """It never ends."""
    _kept.append(asyncio.get_running_loop().create_task(asyncio.Event().wait()))


def _memory() -> None:
    """It is never given back."""
    _kept.append(b"x" * LEAK)


def _lost() -> None:
    """A message that waits is accepted, and nobody has had it."""
    _, queue = _fullest()
    queued = queue.get()
    if queued is not None:
        queue.accept(queued)


def _doubled() -> None:
    """A message that waits is published once more."""
    operations, queue = _fullest()
    queued = queue.get()
    if queued is not None:
        operations.vhost.router.publish(queued.message, operations.resolve("", queue.name).targets)
        queue.release([queued])


FAULTS: dict[str, Callable[[], None]] = {
    "descriptor": _descriptor,
    "task": _task,
    "memory": _memory,
    "lost": _lost,
    "doubled": _doubled,
}


def _fullest() -> tuple[ManagedOperations, Queue]:
    """The queue in which most waits."""
    found = [(vhost, queue) for vhost in _brokers[0].vhosts.values() for queue in vhost.queues.values()]
    vhost, queue = max(found, key=lambda each: each[1].ready_count)
    return ManagedOperations(vhost, EVERYTHING, object()), queue


class _Noted(Broker):
    """A broker that its faults find."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (a broker's)
        super().__init__(*arguments, **named)
        _brokers.append(self)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command, which ends the process; 2 where there is no such fault. Several are named with commas."""
    names, *rest = sys.argv[1:] if arguments is None else arguments
    if unknown := [name for name in names.split(",") if name not in FAULTS]:
        print(f"planted: no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}", file=sys.stderr)
        return 2
    from batonmq.cli import main as command
    from batonmq.server import broker_server

    setattr(broker_server, Broker.__name__, _Noted)
    faults = [FAULTS[name] for name in names.split(",")]
    numbers = itertools.count(1)

    def meet() -> None:
        if next(numbers) % EVERY == 0:
            for fault in faults:
                # Between two turns, as a fault of the broker's own would be at any time.
                asyncio.get_running_loop().call_soon(fault)

    arm("commit.told", meet)
    command(rest, prog_name="batonmq")
    return 0


if __name__ == "__main__":
    sys.exit(main())
