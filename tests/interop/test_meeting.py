"""Clients of AMQP and of STOMP meet on one queue: pika and stomp.py, through two ports or one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.interop.stomp_client import WAIT, StompPy
from tests.support.broker import Broker
from tests.support.wire import Address


@pytest.fixture
def stomp(batonmq_process: Broker) -> Iterator[StompPy]:
    with closing(StompPy(batonmq_process.ports["stomp"]).log_in()) as client:
        yield client


@pytest.fixture
def channel(amqp: Address) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(pika.URLParameters(amqp.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


def taken(channel: BlockingChannel, queue: str) -> tuple[pika.BasicProperties, bytes]:
    for _, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=WAIT):
        channel.cancel()
        assert properties is not None
        return properties, body
    raise AssertionError("nothing came")


def test_what_stomp_sends_amqp_takes(stomp: StompPy, channel: BlockingChannel, queue: str) -> None:
    headers = {
        "persistent": "true",
        "priority": "7",
        "correlation-id": "c1",
        "type": "order",
        "message-id": "m1",
        "expiration": "60000",
        "reply-to": "/queue/answers",
        "timestamp": "1700000000",
        "JMSXGroupID": "customer-4",
        "amount": "100",
    }
    stomp.connection.send(f"/queue/{queue}", "grüße", headers=headers, content_type="text/plain", receipt="sent")
    assert stomp.receipt() == "sent"
    # It was declared durable: whoever declares it so agrees.
    assert channel.queue_declare(queue, durable=True).method.message_count == 1
    properties, body = taken(channel, queue)
    assert body.decode() == "grüße"
    assert properties.delivery_mode == 2
    assert properties.priority == 7
    assert properties.correlation_id == "c1"
    assert properties.type == "order"
    assert properties.message_id == "m1"
    assert properties.expiration == "60000"
    assert properties.reply_to == "answers"
    assert properties.timestamp == 1700000000
    assert properties.content_type == "text/plain"
    assert properties.headers["amount"] == "100"


def test_what_amqp_sends_stomp_takes(stomp: StompPy, channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue, durable=True)
    properties = pika.BasicProperties(
        delivery_mode=2,
        priority=3,
        correlation_id="c1",
        type="order",
        message_id="m1",
        content_type="text/plain",
        headers={"text": "a:b", "number": 42, "truth": True, "nested": {"no": "form"}},
    )
    channel.basic_publish("", queue, "grüße".encode(), properties, mandatory=True)
    stomp.connection.subscribe(f"/queue/{queue}", id="1", ack="client-individual")
    message = stomp.message()
    assert message.body == "grüße"
    expected = {
        "persistent": "true",
        "priority": "3",
        "correlation-id": "c1",
        "type": "order",
        "amqp-message-id": "m1",
        "content-type": "text/plain",
        "text": "a:b",
        "number": "42",
        "truth": "true",
        "redelivered": "false",
    }
    assert {key: message.headers.get(key) for key in expected} == expected
    assert "nested" not in message.headers
    stomp.connection.ack(message.headers["ack"], receipt="acked")
    assert stomp.receipt() == "acked"
    assert channel.queue_declare(queue, passive=True).method.message_count == 0


def test_there_and_back_is_the_same(stomp: StompPy, channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue, durable=True)
    sent = pika.BasicProperties(
        delivery_mode=2, priority=3, correlation_id="c", message_id="m", type="t", app_id="a", headers={"kind": "x"}
    )
    channel.basic_publish("", queue, b"body", sent)
    stomp.connection.subscribe(f"/queue/{queue}", id="1")
    message = stomp.message()
    stomp.connection.unsubscribe("1", receipt="gone")
    assert stomp.receipt() == "gone"
    stomp.connection.send(f"/queue/{queue}", message.body, headers=dict(message.headers))
    properties, body = taken(channel, queue)
    assert body == b"body"
    for name in ("delivery_mode", "priority", "correlation_id", "message_id", "type", "app_id"):
        assert getattr(properties, name) == getattr(sent, name), name
    assert properties.headers["kind"] == "x"


def test_each_message_goes_to_one_of_both(stomp: StompPy, channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue, durable=True)
    channel.basic_qos(prefetch_count=10)
    by_amqp: list[bytes] = []
    channel.basic_consume(queue, lambda _ch, _method, _properties, body: by_amqp.append(body), auto_ack=True)
    stomp.connection.subscribe(f"/queue/{queue}", id="1", headers={"receipt": "subscribed"})
    assert stomp.receipt() == "subscribed"
    for number in range(100):
        stomp.connection.send(f"/queue/{queue}", str(number), headers={"receipt": str(number)})
    receipts = {stomp.receipt() for _ in range(100)}
    assert receipts == {str(number) for number in range(100)}
    end = time.monotonic() + WAIT
    while len(by_amqp) + stomp.heard.messages.qsize() < 100:
        assert time.monotonic() < end, "some went to nobody"
        channel.connection.process_data_events(0.01)
    # One too many would come now.
    channel.connection.process_data_events(0.2)
    by_stomp = [stomp.message().body.encode() for _ in range(100 - len(by_amqp))]
    assert stomp.nothing_came()
    assert sorted([*by_amqp, *by_stomp], key=int) == [b"%d" % number for number in range(100)]
    assert by_amqp
    assert by_stomp


def test_a_nack_without_requeue_is_dead_lettered(
    stomp: StompPy, channel: BlockingChannel, queue: str, name: str
) -> None:
    dead = channel.queue_declare("", exclusive=True).method.queue
    to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    channel.queue_declare(queue, durable=True, arguments=to_dead)
    stomp.connection.subscribe(f"/queue/{queue}", id="1", ack="client-individual")
    channel.basic_publish("", queue, name.encode())
    stomp.connection.nack(stomp.message().headers["ack"], requeue="false")
    properties, body = taken(channel, dead)
    assert body == name.encode()
    assert properties.headers["x-death"][0]["reason"] == "rejected"


def test_a_transaction_of_stomp_is_seen_by_amqp_as_one(stomp: StompPy, channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue, durable=True)
    stomp.connection.begin("t")
    for number in range(5):
        stomp.connection.send(f"/queue/{queue}", str(number), transaction="t", headers={"persistent": "true"})
    stomp.connection.send("/topic/nobody", "", receipt="behind")
    assert stomp.receipt() == "behind"
    assert channel.queue_declare(queue, passive=True).method.message_count == 0
    stomp.connection.commit("t", receipt="committed")
    assert stomp.receipt() == "committed"
    assert channel.queue_declare(queue, passive=True).method.message_count == 5


def test_an_answer_crosses_over(stomp: StompPy, channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue, durable=True)
    question = {"reply-to": "/temp-queue/answers", "correlation-id": "7"}
    stomp.connection.send(f"/queue/{queue}", "2 + 3", headers=question)
    properties, _ = taken(channel, queue)
    assert properties.reply_to is not None
    answer = pika.BasicProperties(correlation_id=properties.correlation_id)
    channel.basic_publish("", properties.reply_to, b"5", answer, mandatory=True)
    message = stomp.message()
    assert (message.body, message.headers["correlation-id"]) == ("5", "7")
