"""The threads of a program that has the file itself, through the Python API, noting what they ask for and are told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import batonmq
from proof.power.clients import Run
from proof.power.promises import Ledger

__all__ = ["THREADS"]

LONG = 3_600.0
# A new owner waits two seconds for those who hold something: what is settled sooner after it came is settled.
SURE_SECONDS = 1.4
# How long a guest waits for a message that its owner may have.
WAIT_SECONDS = 0.05


def _name(delivery: batonmq.Delivery) -> str:
    return delivery.body.split(b".", 1)[0].decode()


@contextmanager
def _taken(run: Run, mq: batonmq.Connection, queue: str) -> Iterator[list[batonmq.Delivery]]:
    """A message, if there is one; what its receiver was sent ahead it may have had in its hands."""
    _see_all(run)
    with mq.receiver(queue, prefetch=1) as receiver:
        yield receiver.receive(1, wait=WAIT_SECONDS if run.process else 0.0)
    _see_all(run)


class _Settled:
    """What was settled, and is as safe as what is sent next."""

    def __init__(self, run: Run) -> None:
        self._ledger: Ledger = run.ledger
        self._seconds = SURE_SECONDS if run.process else float("inf")
        self._steps: list[tuple[str, int, float]] = []

    def add(self, name: str, step: int, since: float) -> None:
        """It came not before that time."""
        self._steps.append((name, step, since))

    def promise(self) -> None:
        """Something was sent."""
        for name, step, since in self._steps:
            if time.monotonic() - since < self._seconds:
                self._ledger.promise(name, step)
        self._steps.clear()


def _plain(run: Run, mq: batonmq.Connection) -> None:
    """Sends, and messages that are accepted: those before a send are as safe as what was sent."""
    queue = run.queue("ordered.plain")
    mq.declare(queue)
    settled = _Settled(run)
    for name in run.names():
        step = run.ledger.begin(name, queue)
        mq.send(queue, run.body(name))
        run.ledger.promise(name, step)
        settled.promise()
        if run.chance.random() < 0.5:
            since = time.monotonic()
            with _taken(run, mq, queue) as taken:
                for delivery in taken:
                    step = run.ledger.begin(_name(delivery))
                    try:
                        delivery.accept()
                    except batonmq.LeaseLost:
                        continue
                    settled.add(_name(delivery), step, since)


def _see_all(run: Run) -> None:
    """What a receiver was sent ahead it may have had in its hands."""
    for name in list(run.ledger.steps):
        if name.startswith(run.name):
            run.ledger.see(name)


def _transactions(run: Run, mq: batonmq.Connection) -> None:
    """A message comes out of one queue and another goes into the next, or neither."""
    queues = (run.queue("ordered.tx.one"), run.queue("ordered.tx.two"))
    for queue in queues:
        mq.declare(queue)
    for name in run.names():
        with _taken(run, mq, queues[0]) as found:
            taken = found if run.chance.random() < 0.7 else []
            changes: dict[str, tuple[str, ...]] = {_name(delivery): () for delivery in taken}
            changes[name] = (queues[len(taken)],)
            steps = run.ledger.begin_together(changes)
            try:
                with mq.transaction() as tx:
                    for delivery in taken:
                        tx.accept(delivery)
                    tx.send(queues[len(taken)], run.body(name))
            except batonmq.LeaseLost:
                run.ledger.undo(steps)
                continue
            for step in steps:
                run.ledger.promise(*step)


def _features(run: Run, mq: batonmq.Connection) -> None:
    """Delays, priorities, groups, and many at once."""
    later, first, many = run.queue("later"), run.queue("first"), run.queue("ordered.many")
    mq.declare(later)
    mq.declare(first, max_priority=5)
    mq.declare(many)
    names = run.names()
    for name in names:
        some = [name]
        how = run.chance.randrange(4)
        if how == 3:
            some += [one for _ in range(run.chance.randrange(8)) if (one := next(names, ""))]
        where = (later, later, first, many)[how]
        steps = [(one, run.ledger.begin(one, where)) for one in some]
        match how:
            case 0:
                mq.send(where, run.body(name), delay=LONG)
            case 1:
                mq.send(where, run.body(name), delay=0.01)
            case 2:
                mq.send(where, run.body(name), priority=3, group="g")
            case _:
                mq.send_many(where, [run.body(one) for one in some])
        for step in steps:
            run.ledger.promise(*step)


def _rejects(run: Run, mq: batonmq.Connection) -> None:
    """Each message is in the one queue, or dead in the other."""
    work, dead = run.queue("work"), run.queue("dead")
    mq.declare(dead)
    mq.declare(work, dead_letter=dead, max_deliveries=2)
    rejected = _Settled(run)
    for name in run.names():
        step = run.ledger.begin(name, work)
        mq.send(work, run.body(name))
        run.ledger.promise(name, step)
        rejected.promise()
        since = time.monotonic()
        if run.process:
            # Its receiver may be sent it ahead, and lose it with an owner once too often, before the program has it.
            run.ledger.begin(name, dead)
        with _taken(run, mq, work) as taken:
            for delivery in taken:
                step = run.ledger.begin(_name(delivery), dead)
                try:
                    if run.chance.random() < 0.6:
                        delivery.reject()
                        rejected.add(_name(delivery), step, since)
                    else:
                        delivery.release()
                except batonmq.LeaseLost:
                    continue


THREADS: dict[str, Callable[[Run, batonmq.Connection], None]] = {
    "plain": _plain,
    "tx": _transactions,
    "features": _features,
    "rejects": _rejects,
}
