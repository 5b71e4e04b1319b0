"""The clients of a run: each a thread with a protocol and some features, noting what it asks for and is told."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pika
from bench.stomp_client import Client as Stomp

import batonmq

# In no thread of a client: under pytest, CPython 3.11 fails when two threads compile modules at once.
import batonmq.engines.amqp.engine
import batonmq.engines.amqp10.engine
from proof.power.promises import Ledger
from proof.power.served import Served

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["CLIENTS", "Run"]

PERSISTENT = 2
LONG_MS, SHORT_MS = 3_600_000, 20
SIZES, WEIGHTS = (40, 300, 3_000, 9_000, 40_000), (6, 6, 3, 2, 1)
PATIENCE = 30.0


@dataclass(frozen=True)
class Run:
    """What a client works with."""

    name: str
    served: Served | None
    """The broker; None: it is the program itself."""
    ledger: Ledger
    chance: random.Random
    count: int
    """How much it does."""
    process: int = 0
    """Which of several programs it is in; 0: there is one."""

    def queue(self, name: str) -> str:
        """What its queue of that name is called: each of several programs has queues of its own."""
        return f"{name}.{self.process}" if self.process else name

    def names(self) -> Iterator[str]:
        """Of its messages, one after the other."""
        return (f"{self.name}-{number}" for number in range(self.count))

    def body(self, name: str) -> bytes:
        """A body that begins with a name."""
        return f"{name}.".encode().ljust(self.chance.choices(SIZES, WEIGHTS)[0], b"x")

    @contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        """A channel of AMQP 0-9-1."""
        assert self.served is not None
        where = pika.ConnectionParameters("127.0.0.1", self.served.amqp_port, heartbeat=0)
        with pika.BlockingConnection(where) as connection:
            yield connection.channel()

    def send(self, channel: BlockingChannel, name: str, *where: str, exchange: str = "", **properties: object) -> None:
        """Publish with a confirm."""
        step = self.ledger.begin(name, *where)
        self.publish(channel, name, where[0], exchange, **properties)
        self.ledger.promise(name, step)

    def publish(
        self, channel: BlockingChannel, name: str, queue: str, exchange: str = "", **properties: object
    ) -> None:
        """Publish; on a channel with confirms this waits for it."""
        what = pika.BasicProperties(delivery_mode=PERSISTENT, **properties)
        channel.basic_publish(exchange, queue, self.body(name), what)

    def get(self, channel: BlockingChannel, queue: str) -> tuple[str, int] | None:
        """A message, and the number of its delivery."""
        method, _, body = channel.basic_get(queue)
        if method is None:
            return None
        name = body.split(b".", 1)[0].decode()
        self.ledger.see(name)
        return name, method.delivery_tag


def _plain(run: Run) -> None:
    """Publishes, acknowledgements and messages that are held, in one queue in order."""
    queue = "ordered.plain"
    with run.channel() as channel:
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        before: list[tuple[str, int]] = []
        held: list[str] = []
        for name in run.names():
            run.send(channel, name, queue)
            # What was asked for before it on this channel is as safe.
            for settled, step in before:
                run.ledger.promise(settled, step)
            for kept in held:
                run.ledger.delivered(kept)
            before.clear()
            held.clear()
            if run.chance.random() < 0.5 and (got := run.get(channel, queue)) is not None:
                if run.chance.random() < 0.8:
                    before.append((got[0], run.ledger.begin(got[0])))
                    channel.basic_ack(got[1])
                else:
                    held.append(got[0])


def _fanout(run: Run) -> None:
    """One message for two queues, with a body that they share where it is large."""
    queues = ("ordered.a", "ordered.b")
    with run.channel() as channel:
        channel.exchange_declare("fan", "fanout", durable=True)
        for queue in queues:
            channel.queue_declare(queue, durable=True)
            channel.queue_bind(queue, "fan")
        channel.confirm_delivery()
        left: tuple[str, int] | None = None
        for name in run.names():
            run.send(channel, name, *queues, exchange="fan")
            if left is not None:
                run.ledger.promise(*left)
                left = None
            if run.chance.random() < 0.5 and (got := run.get(channel, queues[0])) is not None:
                left = got[0], run.ledger.begin(got[0], queues[1])
                channel.basic_ack(got[1])


def _transactions(run: Run) -> None:
    """Publishes to two queues and acknowledgements, all or nothing."""
    queues = ("ordered.tx.one", "ordered.tx.two")
    with run.channel() as channel:
        for queue in queues:
            channel.queue_declare(queue, durable=True)
        channel.tx_select()
        names = run.names()
        for name in names:
            changes: dict[str, tuple[str, ...]] = {}
            sent = [name, *(extra for extra in (next(names, ""), next(names, "")) if extra)]
            tags = []
            for queue in queues:
                got = run.get(channel, queue)
                if got is not None:
                    changes[got[0]] = ()
                    tags.append(got[1])
            changes.update({one: (queues[at % 2],) for at, one in enumerate(sent)})
            steps = run.ledger.begin_together(changes)
            for at, one in enumerate(sent):
                run.publish(channel, one, queues[at % 2])
            for tag in tags:
                channel.basic_ack(tag)
            channel.tx_commit()
            for step in steps:
                run.ledger.promise(*step)


def _dead_letters(run: Run) -> None:
    """Rejected, delivered too often, and expired: each is in the one queue or in the other."""
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-delivery-limit": 2}
    with run.channel() as channel:
        channel.queue_declare("dead", durable=True)
        channel.queue_declare("work", durable=True, arguments=arguments)
        channel.queue_declare("short", durable=True, arguments={**arguments, "x-message-ttl": SHORT_MS})
        channel.queue_declare("few", durable=True, arguments={**arguments, "x-max-length": 3})
        channel.confirm_delivery()
        rejected: list[tuple[str, int]] = []
        for name in run.names():
            queue = run.chance.choice(("work", "work", "short", "few"))
            step = run.ledger.begin(name, queue)
            if queue != "work":
                run.ledger.begin(name, "dead")
            run.publish(channel, name, queue)
            run.ledger.promise(name, step)
            for one in rejected:
                run.ledger.promise(*one)
            rejected.clear()
            if queue != "work" or (got := run.get(channel, "work")) is None:
                continue
            if run.chance.random() < 0.6:
                rejected.append((got[0], run.ledger.begin(got[0], "dead")))
                channel.basic_reject(got[1], requeue=False)
            else:
                run.ledger.begin(got[0], "dead")
                channel.basic_nack(got[1], requeue=True)


def _features(run: Run) -> None:
    """Delays, priorities, keys of de-duplication, groups and expiry."""
    with run.channel() as channel:
        channel.queue_declare("later", durable=True)
        channel.queue_declare("first", durable=True, arguments={"x-max-priority": 5})
        channel.queue_declare("once", durable=True, arguments={"x-deduplication-window": LONG_MS})
        channel.queue_declare("grouped", durable=True)
        channel.confirm_delivery()
        for at, name in enumerate(run.names()):
            match at % 5:
                case 0:
                    run.send(channel, name, "later", headers={"x-delay": LONG_MS})
                case 1:
                    run.send(channel, name, "later", headers={"x-delay": run.chance.randint(1, SHORT_MS)})
                case 2:
                    run.send(channel, name, "first", priority=run.chance.randint(0, 5))
                case 3:
                    run.send(channel, name, "once", headers={"x-deduplication-header": name})
                    again = f"{run.name}.again-{at}"
                    run.ledger.begin(again)
                    run.publish(channel, again, "once", headers={"x-deduplication-header": name})
                case _:
                    run.send(channel, name, "grouped", headers={"x-group": str(at % 3)})


def _definitions(run: Run) -> None:
    """Queues, exchanges and bindings that come and go, and a queue that is purged."""
    with run.channel() as channel:
        channel.queue_declare("purged", durable=True)
        channel.queue_declare("bound", durable=True)
        channel.confirm_delivery()
        here: list[str] = []
        for name in run.names():
            made = f"defined-{name}"
            for kind, call in _makers(channel, made):
                step = run.ledger.begin(f"{kind} {made}", "there")
                call()
                run.ledger.promise(f"{kind} {made}", step)
            if run.chance.random() < 0.5:
                gone = [(f"{kind} {made}", run.ledger.begin(f"{kind} {made}")) for kind in ("exchange", "binding")]
                channel.exchange_delete(made)
                for each in gone:
                    run.ledger.promise(*each)
            if run.chance.random() < 0.3:
                queued = f"queue {made}", run.ledger.begin(f"queue {made}")
                channel.queue_delete(made)
                run.ledger.promise(*queued)
            run.send(channel, name, "purged")
            here.append(name)
            if len(here) > 5:
                purged = [(one, run.ledger.begin(one)) for one in here]
                channel.queue_purge("purged")
                for each in purged:
                    run.ledger.promise(*each)
                here.clear()


def _makers(channel: BlockingChannel, name: str) -> list[tuple[str, Callable[[], object]]]:
    return [
        ("queue", lambda: channel.queue_declare(name, durable=True)),
        ("exchange", lambda: channel.exchange_declare(name, "topic", durable=True)),
        ("binding", lambda: channel.queue_bind("bound", name, "key")),
    ]


def _stomp(run: Run) -> None:
    """SEND and ACK with receipts, and transactions."""
    queue = "ordered.stomp"
    assert run.served is not None
    with Stomp(run.served.stomp_port) as client:
        for at, name in enumerate(run.names()):
            headers = {"destination": f"/queue/{queue}", "persistent": "true", "receipt": str(at)}
            if at % 4 == 3:
                client.send("BEGIN", {"transaction": name})
                headers["transaction"] = name
            step = run.ledger.begin(name, queue)
            if "transaction" in headers:
                del headers["receipt"]
                client.send("SEND", headers, run.body(name).decode())
                client.send("COMMIT", {"transaction": name, "receipt": str(at)})
            else:
                client.send("SEND", headers, run.body(name).decode())
            client.frame(b"RECEIPT")
            run.ledger.promise(name, step)


def _amqp10(run: Run) -> None:
    """Transfers that are accepted, and outcomes."""
    queue = "ordered.ten"
    assert run.served is not None
    with batonmq.connect(f"amqp10://guest:guest@127.0.0.1:{run.served.amqp_port}") as mq:
        mq.declare(queue)
        for name in run.names():
            step = run.ledger.begin(name, queue)
            mq.send(queue, run.body(name))
            run.ledger.promise(name, step)
            if run.chance.random() < 0.3:
                with mq.receiver(queue, prefetch=1) as receiver:
                    for delivery in receiver.receive(1, wait=PATIENCE):
                        got = delivery.body.split(b".", 1)[0].decode()
                        run.ledger.see(got)
                        run.ledger.begin(got)
                        delivery.accept()
                    # What it was sent ahead it may have had in its hands.
                    for one in list(run.ledger.steps):
                        if one.startswith(run.name):
                            run.ledger.see(one)


def _batches(run: Run) -> None:
    """Many messages in one go, each confirmed with all of them."""
    queue = "ordered.many"
    assert run.served is not None
    with batonmq.connect(f"amqp://guest:guest@127.0.0.1:{run.served.amqp_port}") as mq:
        mq.declare(queue)
        names = list(run.names())
        while names:
            some = [names.pop(0) for _ in range(min(len(names), run.chance.randint(1, 12)))]
            steps = [(name, run.ledger.begin(name, queue)) for name in some]
            mq.send_many(queue, [run.body(name) for name in some])
            for step in steps:
                run.ledger.promise(*step)


CLIENTS: dict[str, Callable[[Run], None]] = {
    "plain": _plain,
    "fanout": _fanout,
    "tx": _transactions,
    "letters": _dead_letters,
    "features": _features,
    "definitions": _definitions,
    "stomp": _stomp,
    "ten": _amqp10,
    "many": _batches,
}
