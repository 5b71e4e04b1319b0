"""Section `engines`: the Python API on other brokers, beside each one's own plain client.

    python -m bench --only engines

Messages of 16 bytes, durable: sent, confirmed, received and accepted, one at a time and a hundred together. BatonMQ's
server is started here; other brokers take part where they run already, and their URLs stand in the variables that
the tests use: BATONMQ_TEST_RABBITMQ4, BATONMQ_TEST_ARTEMIS, BATONMQ_TEST_ACTIVEMQ, BATONMQ_TEST_KAFKA. Rounds
alternate between both clients; the median counts, as time for each message.
"""

from __future__ import annotations

import importlib
import os
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import batonmq
from bench.brokers import Baton
from bench.failures import BenchError
from bench.report import Figure, Section, at_most
from bench.settings import Settings, in_turn, say

__all__ = ["KINDS", "Client", "Confluent", "Kind", "Ours", "Pika", "Proton", "measure", "run"]

BODY = b"0123456789abcdef"
BATCH = 100
# An overhead of 15 %.
TARGET = at_most(1.15)
# How long an answer may take, in seconds.
PATIENCE = 30.0


class Client(ABC):
    """Sends to a queue and takes from it."""

    @abstractmethod
    def turn(self, number: int) -> None:
        """Send so many messages, confirmed, then receive and accept them."""

    @abstractmethod
    def close(self) -> None:
        """Leave."""


class Ours(Client):
    """This package."""

    def __init__(self, url: str, queue: str) -> None:
        self._queue = queue
        self._connection = batonmq.connect(url)
        self._receiver = self._connection.receiver(queue, prefetch=BATCH)

    def turn(self, number: int) -> None:
        if number == 1:
            self._connection.send(self._queue, BODY)
        else:
            self._connection.send_many(self._queue, [BODY] * number)
        while number:
            deliveries = self._receiver.receive(max=number, wait=PATIENCE)
            if not deliveries:
                raise BenchError(f"nothing came from {self._queue}")
            for delivery in deliveries:
                delivery.accept()
            number -= len(deliveries)

    def close(self) -> None:
        self._connection.close()


class Pika(Client):
    """pika's blocking connection, which waits for the confirm of each message."""

    def __init__(self, url: str, queue: str) -> None:
        import pika

        self._queue = queue
        self._properties = pika.BasicProperties(delivery_mode=2)
        self._connection: Any = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        self._channel.basic_qos(prefetch_count=BATCH)
        self._coming = self._channel.consume(queue, inactivity_timeout=PATIENCE)

    def turn(self, number: int) -> None:
        for _ in range(number):
            self._channel.basic_publish("", self._queue, BODY, self._properties)
        for _ in range(number):
            method, _, _ = next(self._coming)
            if method is None:
                raise BenchError(f"nothing came from {self._queue}")
            self._channel.basic_ack(method.delivery_tag)

    def close(self) -> None:
        self._connection.close()


class Proton(Client):
    """python-qpid-proton's blocking connection, which waits for the outcome of each message."""

    def __init__(self, url: str, queue: str) -> None:
        # Which carries no types, and need not be there.
        proton, utils = importlib.import_module("proton"), importlib.import_module("proton.utils")
        parts = urlsplit(url)
        user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        self._message = proton.Message(body=BODY, durable=True)
        self._connection: Any = utils.BlockingConnection(
            f"amqp://{parts.hostname}:{parts.port or 5672}",
            timeout=PATIENCE,
            user=user,
            password=password,
            allowed_mechs="PLAIN",
        )
        self._sender = self._connection.create_sender(queue)
        self._receiver = self._connection.create_receiver(queue, credit=BATCH)

    def turn(self, number: int) -> None:
        for _ in range(number):
            self._sender.send(self._message)
        for _ in range(number):
            self._receiver.receive(timeout=PATIENCE)
            self._receiver.accept()

    def close(self) -> None:
        self._connection.close()


class Confluent(Client):
    """confluent-kafka's producer and share consumer, with the batches that the URL says."""

    def __init__(self, url: str, queue: str) -> None:
        from confluent_kafka import AcknowledgeType, Producer, ShareConsumer

        parts = urlsplit(url)
        batch = int(dict(parse_qsl(parts.query)).get("batch", "1"))
        servers = {"bootstrap.servers": parts.netloc}
        self._queue = queue
        self._accept = AcknowledgeType.ACCEPT
        self._producer: Any = Producer(
            {**servers, "enable.idempotence": True, "acks": "all", "linger.ms": 0, "batch.num.messages": batch}
        )
        self._consumer: Any = ShareConsumer(
            {**servers, "group.id": queue, "share.acknowledgement.mode": "explicit", "max.poll.records": BATCH}
        )
        self._consumer.subscribe([queue])

    def turn(self, number: int) -> None:
        for _ in range(number):
            self._producer.produce(self._queue, BODY)
        self._producer.flush()
        until = time.monotonic() + PATIENCE
        while number > 0:
            messages = self._consumer.poll(0.25)
            for message in messages:
                self._consumer.acknowledge(message, self._accept)
            if len(messages):
                self._consumer.commit_sync(PATIENCE)
            elif time.monotonic() > until:
                raise BenchError(f"nothing came from {self._queue}")
            number -= len(messages)

    def close(self) -> None:
        self._consumer.close()


@dataclass(frozen=True, slots=True)
class Kind:
    """An engine, and the client that it is held against."""

    name: str
    variable: str
    """The environment variable with its URL; "": BatonMQ's server, which is started."""
    scheme: str
    """What the URL's scheme is replaced with; "": nothing."""
    plain: Callable[[str, str], Client]
    turns: tuple[int, int] = (500, 20)
    """How many messages one at a time, and how many batches, in a round."""


KINDS: Sequence[Kind] = (
    Kind("BatonMQ, amqp: and pika", "", "", Pika),
    Kind("BatonMQ, amqp10: and proton", "", "amqp10", Proton),
    Kind("RabbitMQ 4, amqp: and pika", "BATONMQ_TEST_RABBITMQ4", "", Pika),
    Kind("Artemis and proton", "BATONMQ_TEST_ARTEMIS", "", Proton),
    Kind("ActiveMQ Classic and proton", "BATONMQ_TEST_ACTIVEMQ", "", Proton),
    Kind("Kafka and confluent-kafka", "BATONMQ_TEST_KAFKA", "", Confluent, (100, 5)),
)


@contextmanager
def _queue_for(url: str, name: str) -> Iterator[str]:
    """A queue that is gone afterwards."""
    with batonmq.connect(url) as mq:
        mq.declare(name)
        try:
            yield name
        finally:
            mq.delete(name)


def measure(kind: Kind, url: str, settings: Settings) -> list[Figure]:
    """Both clients on one engine, by turns. Raises BenchError."""
    singles, batches = Figure(f"{kind.name}: one at a time", "us/msg", TARGET), Figure(
        f"{kind.name}: {BATCH} together", "us/msg", TARGET
    )  # fmt: skip
    ones, manys = (settings.count(kind.turns[0], 5), settings.count(kind.turns[1], 1))
    with ExitStack() as opened:
        clients: list[tuple[Client, int]] = []
        for index, make in enumerate((Ours, kind.plain)):
            queue = opened.enter_context(_queue_for(url, f"bench-{uuid.uuid4().hex[:12]}"))
            client = make(url, queue)
            opened.callback(client.close)
            clients.append((client, index))
            # What is done once, such as joining a group, is no part of it.
            client.turn(1)
            client.turn(BATCH)
        for number in range(settings.rounds):
            for client, index in in_turn(clients, number):
                singles.column(index).append(_timed(client, 1, ones))
                batches.column(index).append(_timed(client, BATCH, manys))
    return [singles, batches]


def _timed(client: Client, number: int, turns: int) -> float:
    """Microseconds for each message."""
    began = time.perf_counter()
    for _ in range(turns):
        client.turn(number)
    return (time.perf_counter() - began) / (turns * number) * 1e6


def run(settings: Settings) -> Section:
    """Measure every engine that there is."""
    section = Section("the Python API beside plain clients: send, confirm, receive, accept; 16 B", "batonmq", "plain")
    with Baton(settings.folder / "engines") as broker:
        own = f"amqp://guest:guest@127.0.0.1:{broker.port}/"
        for kind in KINDS:
            url = os.environ.get(kind.variable, "") if kind.variable else own
            if not url:
                section.notes.append(f"{kind.name}: {kind.variable} names none")
                continue
            if kind.scheme:
                url = f"{kind.scheme}:{url.partition(':')[2]}"
            say(f"engines: {kind.name}")
            try:
                section.figures += measure(kind, url, settings)
            except (batonmq.BatonError, ImportError) as error:
                section.notes.append(f"{kind.name}: {error}")
    return section
