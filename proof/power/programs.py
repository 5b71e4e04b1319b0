"""The threads of a program that has the file itself, through the Python API, noting what they ask for and are told."""

from __future__ import annotations

from collections.abc import Callable

import batonmq
from proof.power.clients import Run

__all__ = ["THREADS"]

LONG = 3_600.0


def _name(delivery: batonmq.Delivery) -> str:
    return delivery.body.split(b".", 1)[0].decode()


def _plain(run: Run, mq: batonmq.Connection) -> None:
    """Sends, and messages that are accepted: those before a send are as safe as what was sent."""
    queue = "ordered.plain"
    mq.declare(queue)
    settled: list[tuple[str, int]] = []
    for name in run.names():
        step = run.ledger.begin(name, queue)
        mq.send(queue, run.body(name))
        for one in (*settled, (name, step)):
            run.ledger.promise(*one)
        settled.clear()
        if run.chance.random() < 0.5:
            with mq.receiver(queue, prefetch=1) as receiver:
                for delivery in receiver.receive(1, wait=0.0):
                    run.ledger.see(_name(delivery))
                    settled.append((_name(delivery), run.ledger.begin(_name(delivery))))
                    delivery.accept()
        _see_all(run)


def _see_all(run: Run) -> None:
    """What a receiver was sent ahead it may have had in its hands."""
    for name in list(run.ledger.steps):
        if name.startswith(run.name):
            run.ledger.see(name)


def _transactions(run: Run, mq: batonmq.Connection) -> None:
    """A message comes out of one queue and another goes into the next, or neither."""
    queues = ("ordered.tx.one", "ordered.tx.two")
    for queue in queues:
        mq.declare(queue)
    for name in run.names():
        with mq.receiver(queues[0], prefetch=1) as receiver:
            taken = receiver.receive(1, wait=0.0) if run.chance.random() < 0.7 else []
            _see_all(run)
            changes: dict[str, tuple[str, ...]] = {_name(delivery): () for delivery in taken}
            changes[name] = (queues[len(taken)],)
            steps = run.ledger.begin_together(changes)
            with mq.transaction() as tx:
                for delivery in taken:
                    tx.accept(delivery)
                tx.send(queues[len(taken)], run.body(name))
            for step in steps:
                run.ledger.promise(*step)
        _see_all(run)


def _features(run: Run, mq: batonmq.Connection) -> None:
    """Delays, priorities, groups, and many at once."""
    mq.declare("later")
    mq.declare("first", max_priority=5)
    mq.declare("ordered.many")
    names = run.names()
    for name in names:
        some = [name]
        how = run.chance.randrange(4)
        if how == 3:
            some += [one for _ in range(run.chance.randrange(8)) if (one := next(names, ""))]
        where = ("later", "later", "first", "ordered.many")[how]
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
    mq.declare("dead")
    mq.declare("work", dead_letter="dead", max_deliveries=2)
    rejected: list[tuple[str, int]] = []
    for name in run.names():
        step = run.ledger.begin(name, "work")
        mq.send("work", run.body(name))
        for one in (*rejected, (name, step)):
            run.ledger.promise(*one)
        rejected.clear()
        _see_all(run)
        with mq.receiver("work", prefetch=1) as receiver:
            for delivery in receiver.receive(1, wait=0.0):
                taken = _name(delivery)
                step = run.ledger.begin(taken, "dead")
                if run.chance.random() < 0.6:
                    rejected.append((taken, step))
                    delivery.reject()
                else:
                    delivery.release()
        _see_all(run)


THREADS: dict[str, Callable[[Run, batonmq.Connection], None]] = {
    "plain": _plain,
    "tx": _transactions,
    "features": _features,
    "rejects": _rejects,
}
