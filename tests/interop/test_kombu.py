"""kombu over py-amqp: connections, producers and consumers, SimpleQueue, the pidbox of remote control."""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from amqp.exceptions import NotFound, PreconditionFailed
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.message import Message
from kombu.pidbox import Mailbox

from tests.support.waiting import in_time
from tests.support.wire import Address


@pytest.fixture
def connection(amqp: Address) -> Iterator[Connection]:
    with Connection(amqp.url + "/", transport_options={"confirm_publish": True}) as connection:
        yield connection


def drain(connection: Connection, received: list[object], count: int) -> None:
    while len(received) < count:
        connection.drain_events(timeout=20)


def test_a_simple_queue_puts_and_gets(connection: Connection, queue: str) -> None:
    simple = connection.SimpleQueue(queue)
    for number in range(5):
        simple.put({"number": number, "text": "schön"})
    for number in range(5):
        message = simple.get(timeout=20)
        assert message.payload == {"number": number, "text": "schön"}
        message.ack()
    with pytest.raises(simple.Empty):
        simple.get(block=False)
    simple.close()


def test_a_consumer_gets_what_a_producer_sends(connection: Connection, queue: str) -> None:
    exchange = Exchange(queue, "topic", durable=False, auto_delete=True)
    bound = Queue(queue, exchange, "a.#", durable=True)
    received: list[object] = []

    def on_message(body: object, message: Message) -> None:
        received.append((body, message.headers["h"], message.properties["priority"]))
        message.ack()

    with connection.Consumer(bound, callbacks=[on_message]):
        producer = connection.Producer(serializer="json")
        producer.publish({"k": [1, 2]}, exchange=exchange, routing_key="a.b", headers={"h": "v"}, priority=7)
        drain(connection, received, 1)
    assert received == [({"k": [1, 2]}, "v", 7)]


def test_a_large_compressed_message_comes_back(connection: Connection, queue: str) -> None:
    simple = connection.SimpleQueue(queue)
    simple.put("x" * 1_000_000, compression="zlib")
    message = simple.get(timeout=20)
    assert message.payload == "x" * 1_000_000
    message.ack()
    simple.close()


def test_a_requeued_message_is_redelivered(connection: Connection, queue: str) -> None:
    received: list[object] = []

    def on_message(_: object, message: Message) -> None:
        received.append(message.delivery_info["redelivered"])
        if len(received) == 1:
            message.requeue()
        else:
            message.ack()

    bound = Queue(queue)
    with connection.Consumer(bound, callbacks=[on_message]):
        connection.Producer().publish("x", routing_key=queue)
        drain(connection, received, 2)
    assert received == [False, True]


def test_errors_are_py_amqps(connection: Connection, queue: str) -> None:
    channel = connection.channel()
    with pytest.raises(NotFound):
        channel.queue_declare(queue, passive=True)
    connection.channel().queue_declare(queue, durable=True, auto_delete=False)
    with pytest.raises(PreconditionFailed):
        connection.channel().queue_declare(queue, durable=False, auto_delete=False)


def test_a_message_of_a_closed_connection_comes_back(amqp: Address, connection: Connection, queue: str) -> None:
    simple = connection.SimpleQueue(queue)
    simple.put("x")
    with Connection(amqp.url + "/") as other:
        taken = other.SimpleQueue(queue).get(timeout=20)
        assert taken.payload == "x"
    message = simple.get(timeout=20)
    assert message.delivery_info["redelivered"]
    message.ack()
    simple.close()


def test_a_pidbox_node_answers_a_call(amqp: Address, connection: Connection, name: str) -> None:
    """What Celery's remote control is made of: fanout exchanges, expiring and auto-deleted reply queues."""
    mailbox = Mailbox(name, type="fanout")
    node = mailbox(connection).Node("node@here")

    @node.handler  # type: ignore[untyped-decorator]
    def add(_: object, a: int, b: int) -> int:
        return a + b

    channel = connection.channel()
    consumer = node.listen(channel=channel)
    with Connection(amqp.url + "/") as caller:
        control = mailbox(caller)
        ticket = "ticket"
        control._publish("add", {"a": 2, "b": 3}, reply_ticket=ticket)
        connection.drain_events(timeout=20)
        replies: list[object] = []
        reply_queue = control.get_reply_queue()
        with caller.Consumer(reply_queue, callbacks=[lambda body, _: replies.append(body)], no_ack=True):
            drain(caller, replies, 1)
        assert replies == [{"node@here": 5}]
        reply_queue(caller.default_channel).delete()
    consumer.cancel()
    channel.exchange_delete(f"{name}.pidbox")
    channel.exchange_delete(f"reply.{name}.pidbox")


def test_heartbeats_are_exchanged(amqp: Address) -> None:
    def kept(seconds: int) -> None:
        with Connection(amqp.url + "/", heartbeat=seconds) as connection:
            connection.connect()
            for _ in range(7 * seconds):
                with pytest.raises(socket.timeout):
                    connection.drain_events(timeout=0.5)
                connection.heartbeat_check()
            assert connection.connected

    in_time(kept, 1, 10)
