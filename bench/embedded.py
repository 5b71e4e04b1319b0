"""Queues inside a Python program: send, receive and accept messages of 16 bytes, durably.

    python -m bench.embedded [--messages 2000] [--rounds 3] [--folder DIR]
    python -m bench --only embedded

Peers that are installed take part: persist-queue, litequeue, huey's SQLite storage, kombu's SQLAlchemy transport. All
keep to the same promise: when a send returns, the message is on the disk (``synchronous=FULL``, set where the peer
does otherwise by default, and asked of the connection that sends; a peer that is below it takes no part). Their
receiving and settling waits for the disk as well, which is how they are built; BatonMQ's need not. Rounds alternate
between them, since a disk is not the same from one minute to the next; the median counts. huey and kombu settle at the
moment of receiving: what a crashed program held is lost there.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.failures import BenchError
from bench.report import Figure, Section, at_least
from bench.settings import Settings, say

BODY = b"0123456789abcdef"
BATCH = 100
# SQLite's `PRAGMA synchronous`: a commit waits for the disk from this level on.
FULL = 2


class Peer(ABC):
    """A queue in a file; a new one for each round."""

    name: str

    @abstractmethod
    def __init__(self, folder: Path) -> None:
        """Make the queue."""

    @abstractmethod
    def one(self) -> None:
        """Send, receive and accept one message."""

    def batch(self) -> None:
        """The same for a hundred; one after the other where there are no batches."""
        for _ in range(BATCH):
            self.one()

    @abstractmethod
    def synchronous(self) -> int:
        """The level of SQLite's `PRAGMA synchronous` on the connection that sends."""

    @abstractmethod
    def close(self) -> None:
        """Let go."""


class Baton(Peer):
    name = "batonmq"

    def __init__(self, folder: Path) -> None:
        import batonmq

        self._mq = batonmq.connect(folder / "queues.db")
        self._mq.declare("bench")
        self._receiver = self._mq.receiver("bench", prefetch=BATCH)
        self._bodies: list[bytes | batonmq.Message] = [BODY] * BATCH

    def one(self) -> None:
        self._mq.send("bench", BODY)
        (delivery,) = self._receiver.receive()
        delivery.accept()

    def batch(self) -> None:
        self._mq.send_many("bench", self._bodies)
        left = BATCH
        while left:
            for delivery in self._receiver.receive(left):
                delivery.accept()
                left -= 1

    def synchronous(self) -> int:
        # It changes from commit to commit; tests/store/test_faults.py cuts the power after a send.
        return FULL

    def close(self) -> None:
        self._mq.close()


class PersistQueue(Peer):
    name = "persist-queue"

    def __init__(self, folder: Path) -> None:
        import persistqueue

        self._queue: Any = persistqueue.SQLiteAckQueue(str(folder), auto_commit=True)

    def one(self) -> None:
        self._queue.put(BODY)
        self._queue.ack(self._queue.get())

    def synchronous(self) -> int:
        return _level(self._queue._putter.execute)  # noqa: SLF001 - it has no public face

    def close(self) -> None:
        self._queue.close()


class LiteQueue(Peer):
    name = "litequeue"

    def __init__(self, folder: Path) -> None:
        import litequeue

        self._queue: Any = litequeue.LiteQueue(str(folder / "queue.db"))
        self._queue.conn.execute("PRAGMA synchronous=FULL")

    def one(self) -> None:
        self._queue.put(BODY.decode())
        self._queue.done(self._queue.pop().message_id)

    def batch(self) -> None:
        with self._queue.transaction():
            for _ in range(BATCH):
                self._queue.put(BODY.decode())
        # Taking a message is a transaction of its own.
        taken = [self._queue.pop().message_id for _ in range(BATCH)]
        with self._queue.transaction():
            for message_id in taken:
                self._queue.done(message_id)

    def synchronous(self) -> int:
        return _level(self._queue.conn.execute)

    def close(self) -> None:
        self._queue.close()


class Huey(Peer):
    name = "huey"

    def __init__(self, folder: Path) -> None:
        from huey.storage import SqliteStorage

        self._storage: Any = SqliteStorage(name="bench", filename=str(folder / "huey.db"), fsync=True)

    def one(self) -> None:
        self._storage.enqueue(BODY)
        assert self._storage.dequeue() == BODY

    def synchronous(self) -> int:
        return _level(self._storage.conn.execute)

    def close(self) -> None:
        self._storage.close()


class Kombu(Peer):
    name = "kombu"

    def __init__(self, folder: Path) -> None:
        kombu: Any = importlib.import_module("kombu")
        self._connection: Any = kombu.Connection(f"sqla+sqlite:///{folder}/kombu.db")
        self._queue: Any = self._connection.SimpleQueue("bench")

    def one(self) -> None:
        self._queue.put(BODY)
        self._queue.get(block=True, timeout=10).ack()

    def synchronous(self) -> int:
        return _level(self._connection.default_channel.session.connection().exec_driver_sql)

    def close(self) -> None:
        self._queue.close()
        self._connection.close()


PEERS: tuple[type[Peer], ...] = (Baton, PersistQueue, LiteQueue, Huey, Kombu)
# Peers without batches do a hundred one by one: fewer of them tell as much.
SLOW_BATCHES = 3


def _level(execute: Callable[[str], Any]) -> int:
    return int(execute("PRAGMA synchronous").fetchone()[0])


def measure(kind: type[Peer], messages: int, folder: Path | None) -> tuple[float, float]:
    """Messages a second: one at a time, and in batches. Raises ImportError, BenchError when it is not durable."""
    with tempfile.TemporaryDirectory(dir=folder) as name, closing(kind(Path(name))) as peer:
        peer.one()
        if (level := peer.synchronous()) < FULL:
            raise BenchError(f"its commits do not wait for the disk (synchronous={level})")
        single = _rate(peer.one, messages, 1)
        batches = max(SLOW_BATCHES, messages // BATCH) if kind.batch is not Peer.batch else SLOW_BATCHES
        many = _rate(peer.batch, batches, BATCH)
    return single, many


def _rate(call: Callable[[], None], calls: int, each: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return calls * each / (time.perf_counter() - began)


def compare(messages: int, rounds: int, folder: Path | None) -> dict[str, list[tuple[float, float]]]:
    """What each installed peer reached in each round."""
    rates: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for kind in PEERS:
            try:
                rates.setdefault(kind.name, []).append(measure(kind, messages, folder))
            except (ImportError, BenchError) as error:
                rates.pop(kind.name, None)
                say(f"{kind.name} takes no part: {error}")
    return rates


def run(settings: Settings) -> Section:
    """The same for `python -m bench`: BatonMQ beside the best of the others."""
    rates = compare(settings.count(1000, 100), settings.rounds, settings.folder)
    section = Section("Inside a program: send, receive and accept 16 bytes, durably", Baton.name, "the best peer")
    wanted = (("one at a time", at_least(1.5)), (f"batches of {BATCH}", at_least(10)))
    for index, (name, target) in enumerate(wanted):
        figure = Figure(name, "msg/s", target, ours=[found[index] for found in rates[Baton.name]])
        others = {peer: [one[index] for one in found] for peer, found in rates.items() if peer != Baton.name}
        if others:
            best = max(others, key=lambda peer: statistics.median(others[peer]))
            figure.theirs = others[best]
            section.notes.append(f"{name}: the best of {', '.join(others)} is {best}")
        section.figures.append(figure)
    return section


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description="Embedded queues beside each other.")
    parser.add_argument("--messages", type=int, default=1000, help="one at a time, for each peer and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files are made: it must be on a disk, not in memory")
    options = parser.parse_args()
    rates = compare(options.messages, options.rounds, options.folder)
    medians = {
        name: (statistics.median(one for one, _ in found), statistics.median(many for _, many in found))
        for name, found in rates.items()
    }
    print(f"{'':16}{'one at a time':>16}{'batches of 100':>16}   messages/s, median of {options.rounds}")
    for name, (one, many) in medians.items():
        print(f"{name:16}{one:16,.0f}{many:16,.0f}")
    others = [rate for name, rate in medians.items() if name != Baton.name]
    if others:
        ours = medians[Baton.name]
        best = max(one for one, _ in others), max(many for _, many in others)
        print(f"{'to the best':16}{ours[0] / best[0]:15.2f}x{ours[1] / best[1]:15.1f}x")


if __name__ == "__main__":
    main()
