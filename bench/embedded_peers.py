"""Queues in a file that are measured beside each other: each sends, and receives and settles, one message or a hundred.

All keep to the same promise: when a send returns, the message is on the disk (``synchronous=FULL``, set where the peer
does otherwise by default, and asked of the connection that sends, where it can be asked; a peer that is below it takes
no part). What it means to settle differs, and ``Peer.settles`` says it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.embedded_peer import BATCH, FULL, Peer

if TYPE_CHECKING:
    import batonmq

__all__ = ["LEFT_OUT", "PEERS", "Baton"]

BODY = b"0123456789abcdef"
TEXT = BODY.decode()


class Baton(Peer):
    name = "batonmq"

    def __init__(self, folder: Path) -> None:
        import batonmq

        self._mq = batonmq.connect(folder / "queues.db")
        self._mq.declare("bench")
        self._bodies: list[bytes | batonmq.Message] = [BODY] * BATCH
        self._receiver: batonmq.Receiver | None = None

    def send(self) -> None:
        self._mq.send("bench", BODY)

    def take(self) -> bool:
        deliveries = self._taking().receive(wait=0.1)
        for delivery in deliveries:
            delivery.accept()
        return bool(deliveries)

    def batch(self) -> None:
        self._mq.send_many("bench", self._bodies)
        left = BATCH
        while left:
            for delivery in self._taking().receive(left):
                delivery.accept()
                left -= 1

    def synchronous(self) -> int:
        # It changes from commit to commit; tests/store/test_faults.py cuts the power after a send.
        return FULL

    def close(self) -> None:
        self._mq.close()

    def _taking(self) -> batonmq.Receiver:
        # Whoever only sends takes nothing out of the others' hands.
        if self._receiver is None:
            self._receiver = self._mq.receiver("bench", prefetch=BATCH)
        return self._receiver


class PersistQueue(Peer):
    name = "persist-queue"
    shared = False  # its documentation says so: one process, several threads

    def __init__(self, folder: Path) -> None:
        self._queue: Any = importlib.import_module("persistqueue").SQLiteAckQueue(str(folder), auto_commit=True)

    def send(self) -> None:
        self._queue.put(BODY)

    def take(self) -> bool:
        self._queue.ack(self._queue.get())
        return True

    def synchronous(self) -> int:
        return _level(self._queue._putter.execute)  # noqa: SLF001 - it has no public face

    def close(self) -> None:
        self._queue.close()


class LiteQueue(Peer):
    name = "litequeue"

    def __init__(self, folder: Path) -> None:
        self._queue: Any = importlib.import_module("litequeue").LiteQueue(str(folder / "queue.db"))
        self._queue.conn.execute("PRAGMA synchronous=FULL")
        self._queue.conn.execute("PRAGMA busy_timeout=30000")

    def send(self) -> None:
        self._queue.put(TEXT)

    def take(self) -> bool:
        message = self._queue.pop()
        if message is None:
            return False
        self._queue.done(message.message_id)
        return True

    def batch(self) -> None:
        with self._queue.transaction():
            for _ in range(BATCH):
                self._queue.put(TEXT)
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
    settles = "on receiving"

    def __init__(self, folder: Path) -> None:
        storage = importlib.import_module("huey.storage").SqliteStorage
        self._storage: Any = storage(name="bench", filename=str(folder / "huey.db"), fsync=True, timeout=30)

    def send(self) -> None:
        self._storage.enqueue(BODY)

    def take(self) -> bool:
        return self._storage.dequeue() is not None

    def synchronous(self) -> int:
        return _level(self._storage.conn.execute)

    def close(self) -> None:
        self._storage.close()


class Kombu(Peer):
    name = "kombu"
    settles = "on receiving"
    shared = False  # its transport of SQLAlchemy polls once a second

    def __init__(self, folder: Path) -> None:
        kombu: Any = importlib.import_module("kombu")
        self._connection: Any = kombu.Connection(f"sqla+sqlite:///{folder}/kombu.db")
        self._queue: Any = self._connection.SimpleQueue("bench")

    def send(self) -> None:
        self._queue.put(BODY)

    def take(self) -> bool:
        self._queue.get(block=True, timeout=10).ack()
        return True

    def synchronous(self) -> int:
        return _level(self._connection.default_channel.session.connection().exec_driver_sql)

    def close(self) -> None:
        self._queue.close()
        self._connection.close()


class LocalQueue(Peer):
    name = "localqueue"

    def __init__(self, folder: Path) -> None:
        localqueue = importlib.import_module("localqueue")
        self._empty = localqueue.Empty
        self._durable = localqueue.DurabilityMode.DURABLE
        self._queue: Any = localqueue.SimpleQueue(str(folder / "queue.db"), "bench", durability=self._durable)

    def send(self) -> None:
        self._queue.put(TEXT)

    def take(self) -> bool:
        try:
            job = self._queue.get(block=False)
        except self._empty:
            return False
        self._queue.ack(job)
        return True

    def batch(self) -> None:
        self._queue.put_many([TEXT] * BATCH)
        for _ in range(BATCH):
            self._queue.ack(self._queue.get(block=False))

    def synchronous(self) -> int:
        # What its setting `durability` is documented to mean; the connection is its own.
        return FULL if self._queue.durability is self._durable else 1

    def close(self) -> None:
        self._queue.close()


class Honker(Peer):
    name = "honker"

    def __init__(self, folder: Path) -> None:
        self._database: Any = importlib.import_module("honker").open(str(folder / "honker.db"))
        self._queue: Any = self._database.queue("bench")
        # It has no setting of it; SQLite takes one only outside of a transaction.
        with self._database.transaction() as writer:
            for statement in ("COMMIT", "PRAGMA synchronous=FULL", "BEGIN IMMEDIATE"):
                writer.execute(statement)

    def send(self) -> None:
        self._queue.enqueue(TEXT)

    def take(self) -> bool:
        job = self._queue.claim_one("bench")
        return job is not None and bool(job.ack())

    def batch(self) -> None:
        with self._database.transaction() as writer:
            for _ in range(BATCH):
                self._queue.enqueue(TEXT, tx=writer)
        left = BATCH
        while left:
            jobs = self._queue.claim_batch("bench", left)
            left -= self._queue.ack_batch([job.id for job in jobs], "bench")

    def synchronous(self) -> int:
        with self._database.transaction() as writer:
            return int(writer.query("PRAGMA synchronous")[0]["synchronous"])

    def close(self) -> None:
        self._database.close()


class SimpleBroker(Peer):
    name = "simplebroker"
    settles = "on receiving"

    def __init__(self, folder: Path) -> None:
        package = importlib.import_module("simplebroker")
        # Durable by default; its connection is held, not opened for each message.
        self._queue: Any = package.Queue("bench", db_path=str(folder / "broker.db"), persistent=True)

    def send(self) -> None:
        self._queue.write(TEXT)

    def take(self) -> bool:
        return self._queue.read_one() is not None

    def batch(self) -> None:
        for _ in range(BATCH):  # a batch for writing asks for message ids of the caller's
            self._queue.write(TEXT)
        left = BATCH
        while left:
            left -= len(self._queue.read_many(left))

    def synchronous(self) -> int:
        with self._queue.get_connection() as connection:
            return int(next(iter(connection._runner.run("PRAGMA synchronous", fetch=True)))[0])  # noqa: SLF001

    def close(self) -> None:
        self._queue.close()


# Others that were looked at, and why they are not measured: what they promise is less.
LEFT_OUT = {
    "taskito": "its commits do not wait for the disk (synchronous=NORMAL), and it has no setting of that",
}
PEERS: tuple[type[Peer], ...] = (
    Baton,
    PersistQueue,
    LiteQueue,
    Huey,
    Kombu,
    LocalQueue,
    Honker,
    SimpleBroker,
)


def _level(execute: Callable[[str], Any]) -> int:
    return int(execute("PRAGMA synchronous").fetchone()[0])
