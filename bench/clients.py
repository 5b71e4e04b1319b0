"""The clients of a soak: producers and consumers over pika, each a thread that comes back when the broker does."""

from __future__ import annotations

import contextlib
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pika
import pika.exceptions

from bench.brokers import Broker
from bench.ledger import Ledger, Stale, Unknown

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["QUEUES", "Session", "Shared", "connect", "consumers", "keep", "producers"]

HEAD = struct.Struct(">IQ")  # the lane and the number, at the beginning of each body
SIZES, WEIGHTS = (16, 100, 1024, 65_536, 300_000), (40, 30, 28, 1.5, 0.5)
FANOUT = "soak.fanout"
FIRST, SECOND = "soak.first", "soak.second"
PLAIN, COMMITTED, CLUMSY, DEAD, TRANSIENT = "soak.plain", "soak.tx", "soak.clumsy", "soak.dead", "soak.transient"
QUEUES = (PLAIN, COMMITTED, CLUMSY, DEAD, FIRST, SECOND)
PREFETCH = 100
TOGETHER = 20
IN_TRANSACTION = 100
PAUSE = 0.2
PERSISTENT = pika.BasicProperties(delivery_mode=2)


@dataclass
class Shared:
    """What all clients have in common."""

    broker: Broker
    ledger: Ledger = field(default_factory=Ledger)
    publishing: threading.Event = field(default_factory=threading.Event)
    """Set while producers may publish: not when too much waits."""
    consuming: threading.Event = field(default_factory=threading.Event)
    """Set while consumers take messages: in between a backlog grows."""
    finishing: threading.Event = field(default_factory=threading.Event)
    """Producers end; consumers make no more mistakes."""
    over: threading.Event = field(default_factory=threading.Event)
    """Consumers end."""
    faults: list[str] = field(default_factory=list)
    """What a broker must not do to an innocent client."""


@dataclass(frozen=True)
class Session:
    """A channel on a connection of its own, in one life of the broker."""

    channel: BlockingChannel
    life: int
    shared: Shared
    chance: random.Random

    def take(self, queue: str, *, no_ack: bool = False) -> Iterator[tuple[int, bytes] | None]:
        """Delivery tags and bodies; None when there is nothing for a moment. Ends with the soak."""
        self.channel.basic_qos(prefetch_count=PREFETCH)
        for method, _, body in self.channel.consume(queue, auto_ack=no_ack, inactivity_timeout=PAUSE):
            if self.shared.over.is_set():
                return
            yield None if method is None else (method.delivery_tag, body)
            while not self.shared.consuming.wait(PAUSE):
                pass

    def see(self, body: bytes, offset: int) -> tuple[int, int]:
        """Enter a delivery in the ledger; its lane and number."""
        lane, number = HEAD.unpack_from(body)
        self.shared.ledger.see(lane + offset, number, self.life)
        return lane + offset, number


Client = Callable[[Session], None]


def keep(shared: Shared, client: Client, chance: random.Random, until: threading.Event) -> None:
    """Run the client over one connection after the other; a connection lost without a kill is a fault."""
    while not until.is_set():
        life = shared.ledger.life
        try:
            connection = connect(shared.broker)
        except (pika.exceptions.AMQPError, OSError):
            until.wait(PAUSE)
            continue
        try:
            channel = connection.channel()
            _declare(channel)
            client(Session(channel, life, shared, chance))
        except (Stale, Unknown):  # the ledger has taken note
            pass
        except (pika.exceptions.AMQPError, OSError) as error:
            if life == shared.ledger.life:
                shared.faults.append(f"{getattr(client, '__name__', 'client')}: {error!r}")
                until.wait(1.0)
        finally:
            with contextlib.suppress(pika.exceptions.AMQPError, OSError):
                connection.close()


def connect(broker: Broker) -> pika.BlockingConnection:
    """A connection, or OSError while there is no broker."""
    if not broker.port:
        raise ConnectionRefusedError
    # A client that waits for the tide answers no heartbeats.
    return pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", broker.port, socket_timeout=10, stack_timeout=30, heartbeat=600)
    )


def producers(shared: Shared) -> list[Client]:
    """Each a lane of its own; the fanout's has two, one for each queue that gets a copy."""
    ledger = shared.ledger
    plain, clumsy, both, committed = ledger.lane(), ledger.lane(), (ledger.lane(), ledger.lane()), ledger.lane()
    return [
        lambda session: _confirmed(session, "", PLAIN, (plain,)),
        lambda session: _confirmed(session, "", CLUMSY, (clumsy,)),
        lambda session: _confirmed(session, FANOUT, "", both),
        lambda session: _in_transactions(session, committed),
        _transient,
    ]


def consumers() -> list[Client]:
    """At least one for each queue."""
    return [
        lambda session: _acking(session, PLAIN),
        lambda session: _acking(session, PLAIN),
        lambda session: _acking(session, FIRST),
        lambda session: _acking(session, DEAD),
        lambda session: _getting(session, SECOND, 1),
        _clumsy,
        _committing,
        lambda session: _unasked(session, TRANSIENT),
    ]


def _declare(channel: BlockingChannel) -> None:
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD}
    channel.exchange_declare(FANOUT, "fanout", durable=True)
    for name in QUEUES:
        channel.queue_declare(name, durable=True, arguments=dead if name == CLUMSY else None)
    channel.queue_declare(TRANSIENT)
    for name in (FIRST, SECOND):
        channel.queue_bind(name, FANOUT)


def _body(session: Session, lane: int, number: int) -> bytes:
    (size,) = session.chance.choices(SIZES, WEIGHTS)
    return HEAD.pack(lane, number).ljust(size, b".")


def _turns(session: Session) -> Iterator[None]:
    """A turn whenever the producer may publish, until the soak ends."""
    while not session.shared.finishing.is_set():
        if session.shared.publishing.wait(PAUSE):
            yield


def _confirmed(session: Session, exchange: str, key: str, lanes: tuple[int, ...]) -> None:
    """One publish after the other, each confirmed."""
    ledger = session.shared.ledger
    session.channel.confirm_delivery()
    for _ in _turns(session):
        numbers = [ledger.publish(lane) for lane in lanes]
        body = _body(session, lanes[0], numbers[0])
        session.channel.basic_publish(exchange, key, body, PERSISTENT, mandatory=True)
        for lane, number in zip(lanes, numbers, strict=True):
            ledger.promise(lane, number)


def _in_transactions(session: Session, lane: int) -> None:
    """A hundred publishes, then tx.commit; some are rolled back first."""
    ledger = session.shared.ledger
    channel = session.channel
    channel.tx_select()
    for _ in _turns(session):
        if session.chance.random() < 0.05:
            # Were it to come, the ledger would know no such number.
            channel.basic_publish("", COMMITTED, HEAD.pack(lane, 2**63), PERSISTENT)
            channel.tx_rollback()
        first = ledger.publish(lane, IN_TRANSACTION)
        try:
            for number in range(first, first + IN_TRANSACTION):
                channel.basic_publish("", COMMITTED, _body(session, lane, number), PERSISTENT)
            channel.tx_commit()
        except BaseException:
            ledger.unsure(lane, first, IN_TRANSACTION)
            raise
        ledger.promise(lane, first, IN_TRANSACTION)


def _transient(session: Session) -> None:
    """No confirms, not persistent: load beside what is checked."""
    for _ in _turns(session):
        for _ in range(TOGETHER):
            session.channel.basic_publish("", TRANSIENT, b"." * 100)
        session.channel.connection.sleep(0.02)


def _acking(session: Session, queue: str, offset: int = 0) -> None:
    """Twenty at a time, multiple=true."""
    held: list[tuple[int, int]] = []
    last = 0
    for delivery in session.take(queue):
        if delivery is not None:
            last = delivery[0]
            held.append(session.see(delivery[1], offset))
        if held and (delivery is None or len(held) >= TOGETHER):
            _ack(session, held, last)


def _ack(session: Session, held: list[tuple[int, int]], tag: int) -> None:
    now = time.monotonic()
    for lane, number in held:
        session.shared.ledger.acks(lane, number, session.life, now)
    session.channel.basic_ack(tag, multiple=True)
    held.clear()


def _getting(session: Session, queue: str, offset: int) -> None:
    """basic.get, one by one."""
    while not session.shared.over.is_set():
        method, _, body = session.channel.basic_get(queue)
        if method is None or body is None:
            session.shared.over.wait(PAUSE)
        else:
            _ack(session, [session.see(body, offset)], method.delivery_tag)


def _clumsy(session: Session) -> None:
    """Gives some back, rejects some, and leaves every now and then with its hands full."""
    channel = session.channel
    for delivery in session.take(CLUMSY):
        if delivery is None:
            continue
        tag, body = delivery
        entry = session.see(body, 0)
        luck = 1.0 if session.shared.finishing.is_set() else session.chance.random()
        if luck < 0.001:
            return
        if luck < 0.02:
            channel.basic_reject(tag, requeue=False)
        elif luck < 0.07:
            channel.basic_nack(tag, requeue=True)
        else:
            session.shared.ledger.acks(*entry, session.life, time.monotonic())
            channel.basic_ack(tag)


def _committing(session: Session) -> None:
    """Acknowledges in transactions: what tx.commit-ok answers must not come back."""
    ledger, channel = session.shared.ledger, session.channel
    channel.tx_select()
    held: list[tuple[int, int]] = []
    last = 0
    for delivery in session.take(COMMITTED):
        if delivery is not None:
            last = delivery[0]
            held.append(session.see(delivery[1], 0))
        if not held or (delivery is not None and len(held) < TOGETHER):
            continue
        if session.chance.random() < 0.05:
            channel.basic_ack(last, multiple=True)
            channel.tx_rollback()
        for entry in held:
            ledger.commits(*entry, session.life)
        channel.basic_ack(last, multiple=True)
        channel.tx_commit()
        for entry in held:
            ledger.settle(*entry)
        held.clear()


def _unasked(session: Session, queue: str) -> None:
    """no-ack: nothing to check but that it flows."""
    for _ in session.take(queue, no_ack=True):
        pass
