"""Messages that go in over one protocol, and come out of another: pika, stomp.py and proton on one queue."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.interop.amqp10.peer import Peer
from tests.interop.amqp10.proton_client import Client, Foreign, Message, bodies, proton, reactor
from tests.interop.stomp_client import StompPy
from tests.support.broker import Broker

pytestmark = pytest.mark.only("batonmq")


@pytest.fixture
def client(peer: Peer) -> Iterator[Client]:
    with Client(peer) as client:
        yield client


@pytest.fixture
def channel(peer: Peer) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(pika.URLParameters(f"{peer.url}/")) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


@pytest.fixture
def stomp(batonmq_process: Broker) -> Iterator[StompPy]:
    with closing(StompPy(batonmq_process.ports["stomp"]).log_in()) as client:
        yield client


@pytest.fixture
def shared(channel: BlockingChannel, queue: str) -> str:
    """A durable queue that is there for all three."""
    channel.queue_declare(queue, durable=True)
    return queue


def taken(client: Client, queue: str) -> Foreign:
    receiver = client.receiver(f"/queues/{queue}")
    message = receiver.receive()
    receiver.accept()
    receiver.close()
    return message


def test_pika_to_proton(channel: BlockingChannel, client: Client, shared: str) -> None:
    channel.basic_publish(
        "",
        shared,
        "grüße".encode(),
        pika.BasicProperties(
            content_type="text/plain",
            content_encoding="utf-8",
            delivery_mode=2,
            priority=5,
            correlation_id="correlation",
            reply_to="replies",
            message_id="id",
            type="kind",
            user_id="guest",
            headers={"text": "ü", "number": 7, "yes": True, "x-own": "annotated"},
        ),
    )
    message = taken(client, shared)
    assert bytes(message.body) == "grüße".encode()
    assert message.inferred
    assert (message.id, message.correlation_id, message.content_type) == ("id", "correlation", "text/plain")
    assert (message.durable, message.priority) == (True, 5)
    assert message.properties == {"text": "ü", "number": 7, "yes": True}
    assert message.annotations[proton.symbol("x-own")] == "annotated"
    assert message.annotations[proton.symbol("x-routing-key")] == shared


def test_proton_to_pika(channel: BlockingChannel, client: Client, shared: str) -> None:
    ident = uuid.uuid4()
    client.sender(shared).send(
        Message(
            body=b"body",
            inferred=True,
            id="id",
            correlation_id=ident,
            content_type="text/plain",
            durable=True,
            priority=5,
            properties={"text": "ü", "number": 7, "yes": True},
            annotations={"x-opt-own": "annotated"},
        )
    )
    method, properties, body = channel.basic_get(shared, auto_ack=True)
    assert method is not None
    assert body == b"body"
    assert (properties.message_id, properties.content_type) == ("id", "text/plain")
    assert (properties.delivery_mode, properties.priority) == (2, 5)
    assert {key: properties.headers[key] for key in ("text", "number", "yes")} == {
        "text": "ü",
        "number": 7,
        "yes": True,
    }
    assert properties.correlation_id == f"urn:uuid:{ident}"


def test_stomp_to_proton(stomp: StompPy, client: Client, shared: str) -> None:
    stomp.connection.send(
        f"/queue/{shared}",
        "grüße",
        content_type="text/plain",
        headers={"persistent": "true", "priority": "6", "correlation-id": "c", "colour": "red"},
        receipt="sent",
    )
    assert stomp.receipt() == "sent"
    message = taken(client, shared)
    body = message.body if isinstance(message.body, str) else bytes(message.body).decode()
    assert body == "grüße"
    assert (message.correlation_id, message.content_type) == ("c", "text/plain")
    assert (message.durable, message.priority) == (True, 6)
    assert message.properties["colour"] == "red"


def test_proton_to_stomp(stomp: StompPy, client: Client, shared: str) -> None:
    client.sender(shared).send(
        Message(body="grüße", correlation_id="c", durable=True, priority=6, properties={"colour": "red", "number": 7})
    )
    stomp.connection.subscribe(f"/queue/{shared}", id="1")
    message = stomp.message()
    assert message.body == "grüße"
    assert message.headers["correlation-id"] == "c"
    assert message.headers["colour"] == "red"
    assert message.headers["number"] == "7"


def test_a_selector_sees_what_others_sent(
    channel: BlockingChannel, stomp: StompPy, client: Client, shared: str
) -> None:
    channel.basic_publish("", shared, b"pika", pika.BasicProperties(headers={"colour": "red"}))
    channel.basic_publish("", shared, b"blue", pika.BasicProperties(headers={"colour": "blue"}))
    stomp.connection.send(f"/queue/{shared}", "stomp", headers={"colour": "red"}, receipt="sent")
    assert stomp.receipt() == "sent"
    receiver = client.receiver(f"/queues/{shared}", credit=0, options=reactor.Selector("colour = 'red'"))
    found = [one.decode() if isinstance(one, bytes) else one for one in bodies(client.drained(receiver))]
    assert found == ["pika", "stomp"]


def test_what_one_gave_back_comes_to_the_other_counted(channel: BlockingChannel, client: Client, shared: str) -> None:
    channel.basic_publish("", shared, b"x", pika.BasicProperties(delivery_mode=2))
    method, _, _ = channel.basic_get(shared)
    assert method is not None
    channel.basic_nack(method.delivery_tag, requeue=True)
    assert taken(client, shared).delivery_count == 1
    client.send(shared, "y")
    receiver = client.receiver(shared)
    receiver.receive()
    receiver.release(delivered=True)
    receiver.close()
    method, _, _ = channel.basic_get(shared, auto_ack=True)
    assert method is not None
    assert method.redelivered


def test_requests_cross_with_their_reply_to(channel: BlockingChannel, client: Client, shared: str) -> None:
    replies = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", shared, b"question", pika.BasicProperties(reply_to=replies, correlation_id="c"))
    request = taken(client, shared)
    # RabbitMQ's clients are told an address, others the name: both lead there.
    client.sender(None).send(
        Message(body=b"answer", inferred=True, address=request.reply_to, correlation_id=request.correlation_id)
    )
    _, properties, body = channel.basic_get(replies, auto_ack=True)
    assert (body, properties.correlation_id) == (b"answer", "c")
