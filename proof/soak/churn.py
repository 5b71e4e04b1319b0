"""Who comes and goes in a soak: queues and exchanges of every kind that are made, used a little and deleted."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from base64 import b64encode
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pika
from bench.failures import BenchError

import batonmq
from proof.soak.sides import connect_pika
from proof.soak.stomp import Stomp, Wire

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["Http", "amqp091", "api", "over_http", "stomp"]

KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"x-max-priority": 5},
    {"x-message-ttl": 100, "x-dead-letter-exchange": ""},
    {"x-max-length": 10},
    {"x-deduplication-size": 10},
    {"x-retry-delay": 50},
    {"x-group-header": "g"},
    {"x-single-active-consumer": True},
)
HEADERS: tuple[dict[str, Any], ...] = (
    {},
    {"x-delay": 200},
    {"x-group": "a"},
    {"x-deduplication-header": "z"},
    {"AMQ_SCHEDULED_PERIOD": 100, "AMQ_SCHEDULED_REPEAT": 3},
)
EXPIRES = 2_000
"""Milliseconds after which a queue that was left behind goes by itself."""
MESSAGES = 20
SIZES = (10, 6_000)
PATIENCE = 60.0
NOT_FOUND = 404


def amqp091(port: int, chance: random.Random) -> None:
    """A connection with some channels, which makes some queues and deletes most of them."""
    connection = connect_pika(port)
    channels = [connection.channel() for _ in range(chance.randrange(1, 5))]
    for _ in range(chance.randrange(1, 8)):
        channel = chance.choice(channels)
        try:
            _queue(channel, chance)
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code != NOT_FOUND:
                raise
            # On a busy machine a queue may expire between two words of its client.
            channels[channels.index(channel)] = connection.channel()
    if chance.random() < 0.7:
        connection.close()
    else:
        # Gone without a word: pika has no public way to be so rude, and notices only when it reads.
        connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001
        with contextlib.suppress(pika.exceptions.AMQPError):
            while True:
                connection.process_data_events(1.0)


def _queue(channel: BlockingChannel, chance: random.Random) -> None:
    arguments = {**chance.choice(KINDS), "x-expires": EXPIRES}
    queue = exchange = f"soak.churn.{chance.getrandbits(64):x}"
    stays, exclusive = chance.random() < 0.1, chance.random() < 0.2
    channel.queue_declare(
        queue,
        durable=chance.random() < 0.7,
        exclusive=exclusive,
        auto_delete=chance.random() < 0.2,
        arguments=arguments,
    )
    # An exchange that is left behind goes with its last queue.
    channel.exchange_declare(
        exchange, chance.choice(("topic", "fanout", "direct")), durable=chance.random() < 0.7, auto_delete=True
    )
    channel.queue_bind(queue, exchange, "k.#")
    for _ in range(chance.randrange(MESSAGES)):
        properties = pika.BasicProperties(
            delivery_mode=chance.choice((1, 2)), priority=chance.randrange(5), headers=chance.choice(HEADERS)
        )
        channel.basic_publish(chance.choice(("", exchange)), queue, b"." * chance.choice(SIZES), properties)
    for method, _, _ in channel.consume(queue, inactivity_timeout=0.05):
        if method is None:
            break
        roll = chance.random()
        if roll < 0.5:
            channel.basic_ack(method.delivery_tag)
        elif roll < 0.7:
            channel.basic_nack(method.delivery_tag)
        elif roll < 0.8:
            channel.basic_reject(method.delivery_tag, requeue=False)
        if roll > 0.95:
            break
    channel.cancel()
    if not stays:
        channel.queue_delete(queue)


def stomp(wire: Wire, chance: random.Random) -> None:
    """Subscriptions of every kind, a few messages, and sometimes a transaction that nobody ends."""
    session = Stomp(wire)
    try:
        queue = f"/temp-queue/t{chance.getrandbits(32):x}"
        chosen = chance.sample(["/topic/soak.*", "/temp-queue/t", "/exchange/amq.topic/soak.z"], 2)
        for number, destination in enumerate([queue, *chosen]):
            headers = {"id": str(number), "destination": destination}
            headers["ack"] = chance.choice(("auto", "client", "client-individual"))
            if chance.random() < 0.3:
                headers["selector"] = "a = 1"
            session.ask("SUBSCRIBE", headers)
        for _ in range(chance.randrange(10)):
            headers = {"destination": chance.choice(("/topic/soak.b", queue)), "a": "1"}
            headers |= {"reply-to": "/temp-queue/rr"} if chance.random() < 0.2 else {}
            session.ask("SEND", headers, "x" * chance.choice(SIZES))
        if chance.random() < 0.3:
            session.send("BEGIN", {"transaction": "t"})
            session.send("SEND", {"destination": queue, "transaction": "t"}, "never")
        if chance.random() < 0.5:
            session.ask("DISCONNECT", {})
    finally:
        session.close()


def api(url: str, chance: random.Random) -> None:
    """A connection of BatonMQ's own API: a queue with what it can have, a request and its reply, and away."""
    queue = f"soak.churn.{chance.getrandbits(64):x}"
    # On a busy machine a queue may expire between two words of its client.
    with batonmq.connect(url) as mq, contextlib.suppress(batonmq.NotFound):
        mq.declare(
            queue,
            durable=chance.random() < 0.7,
            max_deliveries=chance.choice((None, 3)),
            max_length=chance.choice((None, 15)),
            max_priority=chance.choice((0, 5)),
            ttl=chance.choice((None, 0.1)),
            expires=EXPIRES / 1000,
        )
        for _ in range(chance.randrange(MESSAGES)):
            group, delay = chance.choice((None, "a")), chance.choice((0.0, 0.1))
            mq.send(queue, b"." * chance.choice(SIZES), group=group, delay=delay)
        with mq.receiver(queue, prefetch=10, lease=chance.choice((None, 5.0))) as receiver:
            for delivery in receiver.receive(10, 0.05):
                chance.choice((delivery.accept, delivery.release, delivery.reject, lambda: None))()
        if mq.capabilities.peek:
            mq.peek(queue, 5)
        if chance.random() < 0.8:
            mq.delete(queue)


def over_http(port: int, chance: random.Random) -> None:
    """What an operator does and undoes: a virtual host, a user, a policy, a queue and a message, and looks around."""
    name = f"soak-{chance.getrandbits(64):x}"
    http = Http(port)
    try:
        http.ask("PUT", f"/api/vhosts/{name}")
        http.ask("PUT", f"/api/users/{name}", {"password": name, "tags": "monitoring"})
        http.ask("PUT", f"/api/permissions/{name}/{name}", {"configure": ".*", "write": ".*", "read": ".*"})
        http.ask("PUT", f"/api/permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
        http.ask("PUT", f"/api/policies/{name}/p", {"pattern": "^q", "definition": {"max-length": 5}})
        http.ask("PUT", f"/api/queues/{name}/q", {"durable": True, "arguments": {}})
        http.ask("POST", f"/api/bindings/{name}/e/amq.topic/q/q", {"routing_key": "k.#", "arguments": {}})
        for _ in range(chance.randrange(MESSAGES)):
            message = {"properties": {}, "routing_key": "q", "payload": "x", "payload_encoding": "string"}
            http.ask("POST", f"/api/exchanges/{name}/amq.default/publish", message)
        got = {"count": 5, "ackmode": "ack_requeue_false", "encoding": "auto"}
        http.ask("POST", f"/api/queues/{name}/q/get", got)
        for page in ("overview", "queues", "connections", "channels", "consumers", "definitions", "nodes", "exchanges"):
            http.ask("GET", f"/api/{page}")
        http.ask("DELETE", f"/api/queues/{name}/q")
    finally:
        http.ask("DELETE", f"/api/vhosts/{name}")
        http.ask("DELETE", f"/api/users/{name}")
        http.close()


class Http:
    """A client of the HTTP API; a user's password is the name."""

    def __init__(self, port: int, user: str = "guest") -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._headers = {"authorization": "Basic " + b64encode(f"{user}:{user}".encode()).decode()}

    def ask(self, method: str, path: str, body: object = None) -> None:
        """A request that has to succeed; BenchError when it does not."""
        text = None if body is None else json.dumps(body)
        self._connection.request(method, quote(path), text, self._headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status >= 400:
            raise BenchError(f"{method} {path}: {answer.status} {said[:200]!r}")

    def close(self) -> None:
        """Leave."""
        self._connection.close()
